package logs

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// reader is one call of Read.
type reader struct {
	o     Options
	f     func(Line) error
	parse parser
	// cur is the file that is read now, next are those that follow it, as far as they are known.
	cur  *file
	next []*file
	recs *records
}

var errPastUntil = errors.New("past the end")

func (r *reader) close() {
	if r.cur != nil {
		_ = r.cur.Close()
	}
	closeAll(r.next)
}

func (r *reader) read(ctx context.Context) error {
	var w *watch
	if r.o.Follow {
		// Before the first reading, so that nothing is written unseen in between.
		w = newWatch(r.o.Path)
		defer w.close()
	}
	err := r.begin(ctx)
	if err == nil && r.o.Follow {
		err = r.follow(ctx, w)
	}
	if errors.Is(err, errPastUntil) {
		err = nil
	}
	if idle := r.o.Idle(); err == nil {
		err = idle
	}
	return err
}

// begin delivers what is there.
func (r *reader) begin(ctx context.Context) error {
	files, err := openFiles(&r.o)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		if r.o.Follow {
			return nil
		}
		return errdefs.NotFound("log file", r.o.Path)
	}
	r.next = files
	start, err := r.start()
	if err != nil {
		return err
	}
	for len(r.next) > 0 {
		if r.cur != nil {
			_ = r.cur.Close()
		}
		r.cur, r.next = r.next[0], r.next[1:]
		if r.recs, err = newRecords(r.cur.File, start); err != nil {
			return err
		}
		start = 0
		if err := r.deliver(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start drops the files that have nothing of what is asked for, and returns the offset in the first of
// the others.
func (r *reader) start() (int64, error) {
	if r.o.Tail < 0 {
		return 0, nil
	}
	left := r.o.Tail
	for i := len(r.next) - 1; i >= 0; i-- {
		offset, missing, err := r.tail(r.next[i], left, i == len(r.next)-1)
		if err != nil {
			return 0, err
		}
		// With none missing this is where it begins, if only at the file's very beginning: a partial record
		// at the end of the file before would belong to it, and is met there.
		if missing == 0 && offset > 0 || i == 0 {
			closeAll(r.next[:i])
			r.next = r.next[i:]
			return offset, nil
		}
		left = missing
	}
	return 0, nil
}

// tail finds where the last n lines of a file begin, and how many lines are still missing. newest
// says that a last record without its line's end is a line too.
func (r *reader) tail(f *file, n int, newest bool) (start int64, missing int, err error) {
	start = 0
	err = backwards(f.File, func(record []byte, end int64) bool {
		l, err := r.parse(record)
		if err != nil || r.late(l.Time) {
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

func (r *reader) late(t time.Time) bool { return !r.o.Until.IsZero() && t.After(r.o.Until) }

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
		if r.late(l.Time) {
			return errPastUntil
		}
		if err := r.f(l); err != nil {
			return err
		}
	}
}
