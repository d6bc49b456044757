package logs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// poll is how often a log is looked at when the kernel gives no more inotify instances.
const poll = 200 * time.Millisecond

// watch tells that something changed in a log's directory.
type watch struct {
	file    *os.File
	changed chan struct{}
	ticker  *time.Ticker
}

// newWatch never fails: without inotify it looks at intervals.
func newWatch(path string) *watch {
	w := &watch{changed: make(chan struct{}, 1)}
	if w.start(path) != nil {
		w.ticker = time.NewTicker(poll)
	}
	return w
}

func (w *watch) start(path string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	const mask = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), mask|unix.IN_ONLYDIR); err != nil {
		_ = unix.Close(fd)
		return err
	}
	w.file = os.NewFile(uintptr(fd), "inotify")
	go func() {
		buf := make([]byte, 4096)
		for {
			// What changed does not matter, only that.
			if _, err := w.file.Read(buf); err != nil {
				return
			}
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	}()
	return nil
}

func (w *watch) close() {
	if w.file != nil {
		_ = w.file.Close()
	}
	if w.ticker != nil {
		w.ticker.Stop()
	}
}

func (w *watch) ticks() <-chan time.Time {
	if w.ticker == nil {
		return nil
	}
	return w.ticker.C
}

// follow delivers what is written until the writer is done.
func (r *reader) follow(ctx context.Context, w *watch) error {
	var until <-chan time.Time
	if !r.o.Until.IsZero() {
		t := time.NewTimer(time.Until(r.o.Until))
		defer t.Stop()
		until = t.C
	}
	for done := false; ; {
		if err := r.catchUp(ctx); err != nil || done {
			return err
		}
		if err := r.o.Idle(); err != nil {
			return err
		}
		select {
		case <-w.changed:
		case <-w.ticks():
		case <-r.o.Done:
			done = true // once more, for what came before
		case <-until:
			done = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// catchUp reads to the end of the current file, and of those that replaced it.
func (r *reader) catchUp(ctx context.Context) error {
	for {
		replaced, err := r.replaced()
		if err != nil {
			return err
		}
		// After the look: what a rotation left behind is complete then.
		if r.cur != nil {
			if err := r.deliver(ctx); err != nil {
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

// replaced says whether Path is another file than the one being read.
func (r *reader) replaced() (bool, error) {
	if len(r.next) > 0 {
		return true, nil
	}
	st, err := os.Stat(r.o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // in the middle of a rotation, or not written yet
	}
	if err != nil {
		return false, err
	}
	if r.cur == nil {
		return true, nil
	}
	cur, err := r.cur.Stat()
	return err == nil && !os.SameFile(st, cur), err
}

// advance goes on with the file after the current one, which was read to its end.
func (r *reader) advance() error {
	if len(r.next) == 0 {
		files, err := openFiles(&r.o)
		if err != nil {
			return err
		}
		r.next = r.after(files)
	}
	if len(r.next) == 0 {
		return nil // in the middle of a rotation: look again
	}
	if r.cur != nil {
		_ = r.cur.Close()
	}
	r.cur, r.next = r.next[0], r.next[1:]
	var err error
	r.recs, err = newRecords(r.cur.File, 0)
	return err
}

// after keeps those files that follow the current one, and closes the others. If that one was rotated
// away, all that there are follow, and some may have gone with it.
func (r *reader) after(files []*file) []*file {
	if r.cur == nil {
		return files
	}
	for i, f := range files {
		if sameFile(r.cur, f) {
			closeAll(files[:i+1])
			return files[i+1:]
		}
	}
	if r.o.Lost != nil && len(files) > 0 && r.o.Files > 1 {
		r.o.Lost()
	}
	return files
}
