package logs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// reader is one call of Read.
type reader struct {
	o     Options
	f     func(Line) error
	parse parser
	// cur is the file that is read now; old the rotated one that comes before, or nil.
	cur, old *os.File
	recs     *records
}

var errPastUntil = errors.New("past the end")

func (r *reader) close() {
	for _, f := range []*os.File{r.cur, r.old} {
		if f != nil {
			_ = f.Close()
		}
	}
}

func (r *reader) read(ctx context.Context) error {
	var w *watch
	if r.o.Follow {
		// Before the first reading, so that nothing is written unseen in between.
		w = newWatch(r.o.Path)
		defer w.close()
	}
	err := r.open()
	if r.o.Follow && errors.Is(err, errdefs.ErrNotFound) {
		err = nil
	}
	if err != nil {
		return err
	}
	if err = r.begin(ctx); err == nil && r.o.Follow {
		err = r.follow(ctx, w)
	}
	if errors.Is(err, errPastUntil) {
		return nil
	}
	return err
}

// open opens both files so that they belong together: a rotation in between is noticed.
func (r *reader) open() error {
	for range 100 {
		cur, err := os.Open(r.o.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return errdefs.NotFound("log file", r.o.Path)
		}
		if err != nil {
			return err
		}
		old, err := os.Open(r.o.Path + ".1")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			_ = cur.Close()
			return err
		}
		if old == nil || !sameFile(cur, old) {
			r.cur, r.old = cur, old
			return nil
		}
		_, _ = cur.Close(), old.Close()
	}
	return errdefs.New(errdefs.ErrUnavailable, "log file", r.o.Path, "it is rotated faster than it can be opened")
}

func sameFile(a, b *os.File) bool {
	x, err := a.Stat()
	if err != nil {
		return false
	}
	y, err := b.Stat()
	return err == nil && os.SameFile(x, y)
}

// begin delivers what is there.
func (r *reader) begin(ctx context.Context) error {
	if r.cur == nil {
		return nil
	}
	oldStart, curStart, err := r.starts()
	if err != nil {
		return err
	}
	if r.old != nil && oldStart >= 0 {
		if r.recs, err = newRecords(r.old, oldStart); err != nil {
			return err
		}
		if err := r.deliver(ctx); err != nil {
			return err
		}
	}
	if r.recs, err = newRecords(r.cur, curStart); err != nil {
		return err
	}
	return r.deliver(ctx)
}

// starts finds the offsets from which to read; oldStart is negative if the old file has nothing
// that is asked for.
func (r *reader) starts() (oldStart, curStart int64, err error) {
	if r.o.Tail < 0 {
		return 0, 0, nil
	}
	left := r.o.Tail
	curStart, left, err = r.tail(r.cur, left, true)
	if err != nil || left <= 0 || r.old == nil {
		return -1, curStart, err
	}
	oldStart, _, err = r.tail(r.old, left, false)
	return oldStart, curStart, err
}

// tail finds where the last n lines of a file begin, and how many lines are still missing. newest
// says that a last record without its line's end is a line too.
func (r *reader) tail(f *os.File, n int, newest bool) (start int64, missing int, err error) {
	start = 0
	err = backwards(f, func(record []byte, end int64) bool {
		l, err := r.parse(record)
		if err != nil || r.after(l.Time) {
			return true
		}
		if !l.Partial || newest {
			n--
		}
		newest = false
		if n < 0 {
			start = end
			return false
		}
		return true
	})
	return start, max(n, 0), err
}

func (r *reader) after(t time.Time) bool { return !r.o.Until.IsZero() && t.After(r.o.Until) }

// deliver calls f for the complete records that are left.
func (r *reader) deliver(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := r.recs.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		l, err := r.parse(rec)
		if err != nil || l.Time.Before(r.o.Since) {
			continue
		}
		if r.after(l.Time) {
			return errPastUntil
		}
		if err := r.f(l); err != nil {
			return err
		}
	}
}
