package eventlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ReadOptions say which events are wanted.
type ReadOptions struct {
	// FromStart begins with the oldest event that is kept; without it, with the next one.
	FromStart bool
	// Follow goes on with the events that come, until Until or the context's end.
	Follow bool
	// Since leaves out what was before; zero means nothing.
	Since time.Time
	// Until leaves out what comes at or after it, and ends a reader that follows; zero means never.
	Until time.Time
}

// poll is how often the file is looked at when the kernel tells of no changes, and the most a
// reader takes to notice the end of its context.
const poll = 200 * time.Millisecond

// Read calls each for the events, in the order of the file. A log that does not exist is empty. One
// that follows ends without an error at the context's end, when it has read what came before that.
func (l Log) Read(ctx context.Context, o ReadOptions, each func(Event) error) error {
	return l.read(ctx, o, func(line []byte) error {
		e := parse(line)
		if e.Status == "" {
			return nil // torn
		}
		if !o.Wanted(&e) {
			return nil
		}
		return each(e)
	})
}

// ReadLines calls each for the lines that are kept, without their ends; they are its own only until
// it returns. A line may be torn.
func (l Log) ReadLines(ctx context.Context, each func(line []byte) error) error {
	return l.read(ctx, ReadOptions{FromStart: true}, each)
}

func (l Log) read(ctx context.Context, o ReadOptions, each func([]byte) error) error {
	r := &reader{log: l, line: each, o: o}
	defer r.close()
	watch := newWatch(filepath.Dir(l.Path), o.Follow)
	defer watch.close()
	if err := r.open(); err != nil {
		return err
	}
	for {
		// Before reading: what comes before this moment is read and not only by chance.
		over := !o.Follow || ctx.Err() != nil || !o.Until.IsZero() && !time.Now().Before(o.Until)
		if err := r.catchUp(); err != nil || over {
			return err
		}
		wait := poll
		if !o.Until.IsZero() {
			wait = min(wait, max(0, time.Until(o.Until)))
		}
		watch.wait(wait)
	}
}

// reader goes through the files. cur is the one being read, nil before there is any; partial is the
// beginning of a line whose end is not there yet.
type reader struct {
	log     Log
	o       ReadOptions
	line    func([]byte) error
	cur     *os.File
	partial []byte
}

func (r *reader) close() {
	if r.cur != nil {
		_ = r.cur.Close()
	}
}

// open begins at the older file, or at the end of the current one.
func (r *reader) open() error {
	if r.o.FromStart {
		return r.advance()
	}
	f, err := openFile(r.log.Path)
	if f == nil && err == nil {
		f, err = openFile(r.log.older()) // in the middle of a rename
	}
	if f == nil || err != nil {
		return err
	}
	r.cur = f
	_, err = f.Seek(0, io.SeekEnd)
	return err
}

// openFile opens a file for reading, nil if there is none.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// advance goes to the file after the present one: the older one, unless that is the one just read
// and so the current one is next. Without a file after it, nothing changes.
func (r *reader) advance() error {
	for _, path := range []string{r.log.older(), r.log.Path} {
		f, err := openFile(path)
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		if r.cur != nil && same(f, r.cur) {
			_ = f.Close()
			continue
		}
		r.close()
		r.cur, r.partial = f, nil
		return nil
	}
	return nil
}

func same(a, b *os.File) bool {
	sa, errA := a.Stat()
	sb, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(sa, sb)
}

// catchUp reads to the end of the current file, and of those that replaced it.
func (r *reader) catchUp() error {
	for {
		replaced := r.replaced()
		// After the look: a file that was replaced is complete.
		if r.cur != nil {
			if err := r.deliver(); err != nil {
				return err
			}
		}
		if !replaced {
			return nil
		}
		if err := r.advance(); err != nil {
			return err
		}
	}
}

// replaced reports whether there is a file to go on with.
func (r *reader) replaced() bool {
	now, err := os.Lstat(r.log.Path)
	if err != nil {
		return false
	}
	if r.cur == nil {
		return true
	}
	st, err := r.cur.Stat()
	return err == nil && !os.SameFile(st, now)
}

// deliver reads what the present file has.
func (r *reader) deliver() error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.cur.Read(buf)
		r.partial = append(r.partial, buf[:n]...)
		for {
			line, rest, ok := bytes.Cut(r.partial, []byte{'\n'})
			if !ok {
				break
			}
			if err := r.line(line); err != nil {
				return err
			}
			r.partial = rest
		}
		if len(r.partial) > maxLine {
			r.partial = r.partial[:0] // no event is that long: the rest of it is none either
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// parse is the event of a line, the zero one if it is none.
func parse(data []byte) Event {
	var e Event
	if json.Unmarshal(data, &e) != nil {
		return Event{}
	}
	return e
}

// watch waits for changes in a directory.
type watch int

// newWatch never fails: without inotify its wait ends only with the time.
func newWatch(dir string, wanted bool) watch {
	if !wanted {
		return -1
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return -1
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR); err != nil {
		_ = unix.Close(fd)
		return -1
	}
	return watch(fd)
}

// wait returns at a change, or after that time.
func (w watch) wait(d time.Duration) {
	fds := []unix.PollFd{{Fd: int32(w), Events: unix.POLLIN}} // a negative one is passed over
	n, err := unix.Poll(fds, int(d.Milliseconds())+1)
	if err != nil || n == 0 {
		return
	}
	buf := make([]byte, 4096)
	for {
		if n, err := unix.Read(int(w), buf); n <= 0 || err != nil {
			return
		}
	}
}

func (w watch) close() {
	if w >= 0 {
		_ = unix.Close(int(w))
	}
}
