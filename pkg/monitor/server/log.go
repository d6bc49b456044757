package server

import (
	"bytes"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

// logger keeps output. Its methods run in the loop and never wait for more than the disk.
type logger interface {
	write(k monitor.Kind, p []byte)
	close()
}

type noLog struct{}

func (noLog) write(monitor.Kind, []byte) {}
func (noLog) close()                     {}

const (
	// maxLine is the longest text of one record, in bytes; longer lines become several, all but the
	// last marked partial. A record of it fits the scratch buffer also when every byte needs six.
	maxLine = 8 << 10
	// partialAfter is how long a line without its end is kept before it is written as it is.
	partialAfter = 100 * time.Millisecond
)

// format appends one record of a log file.
type format interface {
	// record appends head and tail, one line's text, as a record. full says that the line ends here.
	record(out []byte, k monitor.Kind, now time.Time, head, tail []byte, full bool) []byte
	// cut is how much of an unfinished text may be written now, at most len(text).
	cut(text []byte) int
}

// fileLog writes lines to a file and rotates it. Memory is bounded: one buffer that is borrowed,
// and per stream the beginning of a line.
type fileLog struct {
	format  format
	path    string
	maxSize int64
	fd      int
	size    int64
	buf     *buffer
	out     []byte
	pending [2][]byte
	after   func(time.Duration, func())
	armed   bool
	// torn says that the last record was written in part, for lack of space.
	torn bool
}

func openLog(c monitor.LogConfig, b *buffer, after func(time.Duration, func())) (logger, error) {
	l := &fileLog{path: c.Path, maxSize: c.MaxSize, buf: b, after: after, fd: -1}
	switch c.Driver {
	case monitor.LogNone, "":
		return noLog{}, nil
	case monitor.LogK8sFile:
		l.format = k8sFormat{}
	case monitor.LogJSONFile:
		l.format = jsonFormat{}
	default:
		return nil, os.ErrInvalid
	}
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
	l.fd, l.size = fd, st.Size
	return nil
}

// write takes one piece of output: all its lines go to the file in as few writes as the buffer
// allows.
func (l *fileLog) write(k monitor.Kind, p []byte) {
	l.out = l.buf.scratch()
	now := time.Now().UTC()
	held := &l.pending[streamIndex(k)]
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i >= 0 && len(*held)+i <= maxLine {
			l.emit(k, now, *held, p[:i], true)
			*held = (*held)[:0]
			p = p[i+1:]
			continue
		}
		n := len(p)
		if i >= 0 {
			n = i
		}
		n = min(n, maxLine-len(*held))
		*held = append(*held, p[:n]...)
		p = p[n:]
		if len(*held) >= maxLine {
			l.emitPartial(k, now)
		}
	}
	l.flush()
	if len(*held) > 0 {
		l.armPartial()
	} else {
		*held = nil
	}
}

func streamIndex(k monitor.Kind) int {
	if k == monitor.KindStderr {
		return 1
	}
	return 0
}

// emitPartial writes what is held of a line, but for a character whose end is still to come.
func (l *fileLog) emitPartial(k monitor.Kind, now time.Time) {
	held := &l.pending[streamIndex(k)]
	n := l.format.cut(*held)
	if n > 0 {
		l.emit(k, now, (*held)[:n], nil, false)
		*held = append((*held)[:0], (*held)[n:]...)
	}
}

func (l *fileLog) armPartial() {
	if l.armed {
		return
	}
	l.armed = true
	l.after(partialAfter, func() {
		l.armed = false
		l.out = l.buf.scratch()
		now := time.Now().UTC()
		l.emitPartial(monitor.KindStdout, now)
		l.emitPartial(monitor.KindStderr, now)
		l.flush()
	})
}

// emit formats one record, and rotates before it if it would not fit.
func (l *fileLog) emit(k monitor.Kind, now time.Time, head, tail []byte, full bool) {
	if cap(l.out)-len(l.out) < 6*maxLine+256 {
		l.flush()
	}
	start := len(l.out)
	l.out = l.format.record(l.out, k, now, head, tail, full)
	if l.maxSize > 0 && l.size+int64(len(l.out)) > l.maxSize && l.size+int64(start) > 0 {
		record := l.out[start:]
		l.out = l.out[:start]
		l.flush()
		l.rotate()
		l.out = append(l.out, record...)
	}
}

// rotate makes the file Path.1 and begins a new one. If that fails the old one grows on.
func (l *fileLog) rotate() {
	if os.Rename(l.path, l.path+".1") != nil {
		return
	}
	old := l.fd
	if l.open() == nil && old >= 0 {
		_ = unix.Close(old)
	}
}

// flush writes what is formatted. What a full disk does not take is lost to the log, never waited
// for: the container and its clients go on.
func (l *fileLog) flush() {
	out := l.out
	l.out = l.out[:0]
	if l.torn && len(out) > 0 {
		if n, err := unix.Write(l.fd, []byte{'\n'}); err != nil || n != 1 {
			return
		}
		l.size++
		l.torn = false
	}
	for len(out) > 0 {
		n, err := unix.Write(l.fd, out)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		l.size += int64(n)
		out = out[n:]
		l.torn = len(out) > 0
	}
}

// close writes lines that never got an end.
func (l *fileLog) close() {
	if l.fd < 0 {
		return
	}
	l.out = l.buf.scratch()
	now := time.Now().UTC()
	for i, k := range []monitor.Kind{monitor.KindStdout, monitor.KindStderr} {
		if len(l.pending[i]) > 0 {
			l.emit(k, now, l.pending[i], nil, false)
			l.pending[i] = nil
		}
	}
	l.flush()
	_ = unix.Close(l.fd)
	l.fd = -1
}
