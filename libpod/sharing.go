package libpod

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/pkg/errdefs"
)

// sharing is something in a directory that processes use together: the first makes it and the last takes it down. Two locks say
// what becomes of it:
//
//	DIR.lock     held by who makes it, joins it or takes it down, for as long as that takes
//	DIR/users    held together by those who use it, for as long as they live
//
// Who leaves and finds that nobody holds the second takes it down. Who joins and finds that takes down what a kill has left, and
// makes it anew. The second lock is tried only under the first, so that nobody joins what is about to go.
type sharing struct {
	dir string
	// whole says that what is there can be used.
	whole func() bool
	// make makes it in the empty directory; end takes down what make has made, or had begun to, by whom and when ever.
	make, end func(context.Context) error
}

func (s *sharing) users() string { return filepath.Join(s.dir, "users") }

// join returns the lock that its users hold.
func (s *sharing) join(ctx context.Context) (users *lock.Lock, err error) {
	err = s.alone(ctx, func() error {
		if !s.used() || !s.whole() {
			if err := s.begin(ctx); err != nil {
				return errors.Join(err, s.takeDown(ctx))
			}
		}
		users, err = lock.TryShared(s.users(), true)
		if users == nil && err == nil {
			err = errdefs.New(errdefs.ErrUnavailable, "lock", s.users(), "another program holds it").WithHint("end that: \"fuser %s\" shows which it is", s.users())
		}
		return err
	})
	return users, err
}

// begin makes it in the place of what may be there.
func (s *sharing) begin(ctx context.Context) error {
	if err := s.takeDown(ctx); err != nil {
		return err
	}
	if err := mkdir(s.dir); err != nil {
		return err
	}
	return s.make(ctx)
}

// leave gives the lock of join back.
func (s *sharing) leave(ctx context.Context, users *lock.Lock) error {
	users.Release()
	return s.alone(ctx, func() error {
		if s.used() {
			return nil
		}
		return s.takeDown(ctx)
	})
}

// remove takes it down, whoever uses it.
func (s *sharing) remove(ctx context.Context) error {
	if !exists(s.dir) {
		return nil
	}
	return s.alone(ctx, func() error { return s.takeDown(ctx) })
}

// alone keeps others from changing it meanwhile.
func (s *sharing) alone(ctx context.Context, f func() error) error {
	l, err := lock.Acquire(ctx, s.dir+".lock", true)
	if err != nil {
		return err
	}
	defer l.Release()
	err = f()
	if !exists(s.dir) {
		err = errors.Join(err, os.Remove(s.dir+".lock"))
	}
	return err
}

// used says that somebody has joined; the caller holds the first lock.
func (s *sharing) used() bool {
	l, err := lock.Try(s.users(), false)
	l.Release()
	return l == nil && !errors.Is(err, lock.ErrGone)
}

// takeDown leaves nothing of it, and goes on when ctx has ended.
func (s *sharing) takeDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), define.CleanupTimeout)
	defer cancel()
	if err := s.end(ctx); err != nil {
		return err
	}
	return removeAll(s.dir)
}
