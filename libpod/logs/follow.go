package logs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
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
		if err := r.advance(ctx); err != nil {
			return err
		}
	}
}

// replaced says whether Path is another file than the one being read.
func (r *reader) replaced() (bool, error) {
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

// advance goes on with the next file: Path.1 if two rotations passed while we read, else Path.
func (r *reader) advance(ctx context.Context) error {
	last := r.cur
	if r.old != nil {
		_ = r.old.Close()
	}
	r.cur, r.old = nil, nil
	if err := r.open(); err != nil {
		r.cur = last
		if errors.Is(err, errdefs.ErrNotFound) {
			return nil // in the middle of the next rotation: look again
		}
		return err
	}
	var err error
	missed := last != nil && r.old != nil && !sameFile(last, r.old)
	if last != nil {
		_ = last.Close()
	}
	if missed {
		if r.recs, err = newRecords(r.old, 0); err != nil {
			return err
		}
		if err := r.deliver(ctx); err != nil {
			return err
		}
	}
	r.recs, err = newRecords(r.cur, 0)
	return err
}
