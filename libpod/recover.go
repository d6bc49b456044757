package libpod

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/errdefs"
)

// recoverAll reconciles every container whose state says that something was begun and
// whose init does not run, and carries out the restarts whose monitor was killed. It waits for nobody: a container whose lock is held is its
// holder's concern. Commands that look at all containers begin with it.
func (r *Runtime) recoverAll(ctx context.Context) error {
	rows, err := r.state.Unsettled(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		s := &rows[i].State
		if s.Status.Live() && alive(s.PID, s.PIDStart) || s.Status == define.StatusRestarting && !s.Mounted && r.restartHeld(rows[i].ID) {
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
	lc := &locked{container: *c, lock: l}
	if err := lc.reconcile(ctx); err != nil {
		return err
	}
	return lc.takeOverRestart(ctx)
}

// sweep removes directories of containers that have no row: their maker was killed before its
// first transaction. known are rows read a moment ago.
func (r *Runtime) sweep(ctx context.Context, known []state.Row) error {
	ids := make(map[string]bool, len(known))
	for i := range known {
		ids[known[i].ID] = true
	}
	for _, base := range []string{filepath.Join(r.paths.static, "containers"), filepath.Join(r.paths.tmp, "containers")} {
		entries, err := os.ReadDir(base)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if ids[e.Name()] {
				continue
			}
			if err := r.sweepOne(ctx, base, e.Name()); err != nil {
				r.warn("directory %s: %v", filepath.Join(base, e.Name()), err)
			}
		}
	}
	return nil
}

// sweepOne removes a directory that nobody holds and that has no row. A maker between making it
// and taking its lock finds it gone and makes it again.
func (r *Runtime) sweepOne(ctx context.Context, base, id string) error {
	l, err := lock.Try(r.paths.lockFile(id), false)
	if errors.Is(err, lock.ErrGone) {
		if _, err := r.state.Container(ctx, id); !errors.Is(err, errdefs.ErrNotFound) {
			return err
		}
		_ = os.Remove(r.paths.staticDir(id)) // only if it is empty: else the lock is there by now
		if base != filepath.Dir(r.paths.staticDir(id)) {
			return removeAll(filepath.Join(base, id))
		}
		return nil
	}
	if l == nil || err != nil {
		return err // held
	}
	defer l.Release()
	if _, err := r.state.Container(ctx, id); !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	if base == filepath.Dir(r.paths.staticDir(id)) {
		return removeLocked(r.paths.staticDir(id), r.paths.lockFile(id))
	}
	return removeAll(filepath.Join(base, id))
}
