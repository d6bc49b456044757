package libpod

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/pkg/errdefs"
)

// recoverAll reconciles every container whose state says that something was begun and
// whose init does not run. It waits for nobody: a container whose lock is held is its
// holder's concern. Commands that look at all containers begin with it.
func (r *Runtime) recoverAll(ctx context.Context) error {
	rows, err := r.state.Unsettled(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		s := &rows[i].State
		if s.Status.Live() && alive(s.PID, s.PIDStart) {
			continue
		}
		if err := r.tryReconcile(ctx, rows[i].ID); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			// One container that cannot be settled must not hide the others.
			r.warn("container %s: %v", rows[i].Name, err)
		}
	}
	return nil
}

func (r *Runtime) tryReconcile(ctx context.Context, id string) error {
	l, err := lock.Try(r.paths.lockFile(id), false)
	if errors.Is(err, lock.ErrGone) {
		return r.update(ctx, id, func(context.Context, *locked) error { return nil })
	}
	if err != nil || l == nil {
		return err
	}
	defer l.Release()
	c, err := r.load(ctx, id)
	if err != nil {
		return err
	}
	return (&locked{container: *c, lock: l}).reconcile(ctx)
}

// abandonedAfter is how long a directory without a row is left alone: its maker may be
// between making it and taking its lock.
const abandonedAfter = time.Minute

// sweep removes directories of containers that were never stored: their maker was killed
// before its first transaction.
func (r *Runtime) sweep(ctx context.Context) error {
	for _, base := range []string{filepath.Join(r.paths.static, "containers"), filepath.Join(r.paths.tmp, "containers")} {
		entries, err := os.ReadDir(base)
		if err != nil {
			return err
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || time.Since(info.ModTime()) < abandonedAfter {
				continue
			}
			if _, err := r.state.Container(ctx, e.Name()); !errors.Is(err, errdefs.ErrNotFound) {
				continue
			}
			if err := r.sweepOne(base, e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Runtime) sweepOne(base, id string) error {
	l, err := lock.Try(r.paths.lockFile(id), false)
	if err != nil && !errors.Is(err, lock.ErrGone) {
		return err
	}
	if l == nil && err == nil {
		return nil // held
	}
	defer l.Release()
	return removeAll(filepath.Join(base, id))
}
