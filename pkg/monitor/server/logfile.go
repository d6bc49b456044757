package server

import (
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

// format appends one record of a log file.
type format interface {
	// record appends head and tail, one line's text, as a record. full says that the line ends here.
	record(out []byte, k monitor.Kind, now time.Time, head, tail []byte, full bool) []byte
	// cut is how much of an unfinished text may be written now, at most len(text).
	cut(text []byte) int
	// room is what a record may take besides six times its text, in bytes.
	room() int
	// output is how many bytes of output are in records, the last of which may be cut anywhere.
	output(records []byte) int
}

// fileLog writes records to a file and rotates it. Its only memory is the scratch buffer, which it
// borrows.
type fileLog struct {
	format
	path    string
	maxSize int64
	maxFile int
	fd      int
	size    int64
	buf     *buffer
	out     []byte
	// moved says that the file has been renamed and the next one could not be opened yet.
	moved bool
	// compress is the command that compresses what was rotated, with its environment; compressing says that it runs.
	compress, env []string
	compressing   atomic.Bool
	// torn says that the last record was written in part, for lack of space.
	torn bool
	lost lostFunc
}

func openFile(cfg *monitor.Config, f format, b *buffer, lost lostFunc) (*fileLog, error) {
	c := &cfg.Log
	l := &fileLog{format: f, path: c.Path, maxSize: c.MaxSize, maxFile: c.MaxFile, buf: b, fd: -1, compress: c.Compress, env: cfg.CleanupEnv, lost: lost}
	return l, l.open()
}

func (l *fileLog) open() error {
	// Without waiting: a fifo without a reader is an error, not a hanging start.
	fd, err := unix.Open(l.path, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		l.maxSize = 0 // what is no file, say /dev/null, does not grow, and its name is not ours to give away
	}
	l.fd, l.size = fd, st.Size
	return nil
}

func (l *fileLog) begin() { l.out = l.buf.scratch() }

// emit formats one record, and rotates before it if it would not fit.
func (l *fileLog) emit(k monitor.Kind, now time.Time, head, tail []byte, full bool) {
	if cap(l.out)-len(l.out) < 6*maxLine+l.room() {
		l.flush()
	}
	start := len(l.out)
	l.out = l.record(l.out, k, now, head, tail, full)
	if l.maxSize > 0 && l.size+int64(len(l.out)) > l.maxSize && l.size+int64(start) > 0 {
		record := l.out[start:]
		l.out = l.out[:start]
		l.flush()
		l.rotate()
		l.out = append(l.out, record...)
	}
}

// rotate makes every file one older, the oldest going, and begins a new one. The oldest is renamed
// first: a reader that goes from the newest to the oldest meets a file twice, or a gap, but misses
// none. If a file cannot be renamed, or the new one not be made, or the last one is still being compressed, the
// current one grows on.
func (l *fileLog) rotate() {
	if l.compressing.Load() || !l.moved && !l.move() {
		return
	}
	l.moved = true
	old := l.fd
	if l.open() == nil {
		l.moved = false
		_ = unix.Close(old)
		l.startCompressing()
	}
}

// startCompressing compresses the file that was rotated, by another program: the library would be memory of
// every monitor.
func (l *fileLog) startCompressing() {
	if len(l.compress) == 0 || l.maxFile < 2 {
		return
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		complain("compress the log: " + err.Error())
		return
	}
	defer func() { _ = null.Close() }()
	p, err := os.StartProcess(l.compress[0], l.compress, &os.ProcAttr{
		Dir: "/", Env: l.env, Files: []*os.File{null, null, null}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		complain("compress the log: " + err.Error())
		return
	}
	l.compressing.Store(true)
	go func() {
		_, _ = p.Wait()
		l.compressing.Store(false)
	}()
}

// move takes the file's name away from it.
func (l *fileLog) move() bool {
	for i := l.maxFile - 1; i > 0; i-- {
		err := unix.Rename(l.older(i-1), l.older(i))
		if err != nil && (i == 1 || err != unix.ENOENT) {
			return false
		}
		if len(l.compress) == 0 {
			continue
		}
		if err == nil {
			_ = unix.Unlink(l.older(i) + compressed)
		} else if err := unix.Rename(l.older(i-1)+compressed, l.older(i)+compressed); err != nil && err != unix.ENOENT {
			return false
		}
	}
	return l.maxFile > 1 || unix.Unlink(l.path) == nil
}

// compressed ends the name of a compressed file.
const compressed = ".gz"

// older is the name of the file that is n rotations old.
func (l *fileLog) older(n int) string {
	if n == 0 {
		return l.path
	}
	return l.path + "." + strconv.Itoa(n)
}

// flush writes what is formatted. What a full disk does not take is lost to the log, never waited
// for: the container and its clients go on.
func (l *fileLog) flush() {
	out := l.out
	l.out = l.out[:0]
	if l.torn && len(out) > 0 {
		if n, err := l.put([]byte{'\n'}); n != 1 {
			l.lost(l.output(out), err.Error())
			return
		}
		l.torn = false
	}
	if n, err := l.put(out); err != nil {
		l.torn = l.torn || n > 0
		l.lost(l.output(out)-l.output(out[:n]), err.Error())
	}
}

// put writes all of p, or says why only n bytes.
func (l *fileLog) put(p []byte) (n int, err error) {
	for n < len(p) {
		more, err := unix.Write(l.fd, p[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		n += more
		l.size += int64(more)
	}
	return n, nil
}

func (l *fileLog) close() {
	_ = unix.Close(l.fd)
	l.fd = -1
}
