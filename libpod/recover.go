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
	"github.com/manager-project/manager/pkg/monitor"
)

// recoverAll reconciles every one of the containers whose state says that something was begun and
// whose init does not run, and carries out the restarts whose monitor was killed. It waits for nobody: a container whose lock is held is its
// holder's concern. Commands that look at all containers begin with it. It returns what it found of those whose init
// runs, by id, and whether any state may have changed since it was read.
func (r *Runtime) recoverAll(ctx context.Context, rows []state.Row) (running map[string]liveness, changed bool) {
	running = make(map[string]liveness, len(rows))
	for i := range rows {
		s := &rows[i].State
		switch {
		case !s.Unsettled():
			continue
		case s.Status.Live():
			if l := r.liveness(&rows[i]); l != ended {
				running[rows[i].ID] = l
				continue
			}
		case s.Status == define.StatusRestarting && !s.Mounted && r.restartHeld(rows[i].ID):
			continue
		}
		tried, err := r.tryReconcile(ctx, rows[i].ID)
		changed = changed || tried
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			// One container that cannot be settled must not hide the others.
			r.warn("container %s: %v", rows[i].Name, err)
		}
	}
	return running, changed
}

// liveness is what the kernel says of a container that is live by its state.
type liveness int

const (
	ended       liveness = iota // its init does not run
	unmonitored                 // its init runs on without its monitor
	monitored
)

// liveness looks at init and monitor. A pid is not given to another process before the monitor has seen the end, and
// that writes it down next: so where there is a monitor and no record of an end, the pid says enough.
func (r *Runtime) liveness(row *state.Row) liveness {
	s, dir := &row.State, r.paths.runDir(row.ID)
	held, err := monitor.Alive(dir)
	switch {
	case held && breathes(s.PID) && !exists(filepath.Join(dir, monitor.ExitFile)):
		return monitored
	case !alive(s.PID, s.PIDStart):
		return ended
	case held || err != nil:
		return monitored
	}
	return unmonitored
}

// tryReconcile settles a container and reports true, unless another holds its lock.
func (r *Runtime) tryReconcile(ctx context.Context, id string) (bool, error) {
	l, err := lock.Try(r.paths.lockFile(id), false)
	if errors.Is(err, lock.ErrGone) {
		return true, r.update(ctx, id, func(context.Context, *locked) error { return nil })
	}
	if err != nil || l == nil {
		return false, err
	}
	defer l.Release()
	c, err := r.load(ctx, id)
	if err != nil {
		return true, err
	}
	lc := &locked{container: *c, lock: l}
	if err := lc.reconcile(ctx); err != nil {
		return true, err
	}
	return true, lc.takeOverRestart(ctx)
}

// folder has directories of containers, named by their ids.
type folder struct {
	path string
	ids  []string
}

// folders are the places of containers' directories with what is in them now.
func (r *Runtime) folders() ([]folder, error) {
	all := []folder{{path: filepath.Join(r.paths.static, "containers")}, {path: filepath.Join(r.paths.tmp, "containers")}}
	for i := range all {
		dir, err := os.Open(all[i].path)
		if err != nil {
			return nil, err
		}
		all[i].ids, err = dir.Readdirnames(-1)
		_ = dir.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// sweep removes directories of containers that have no row: their maker was killed before its
// first transaction, or a power cut took a row that was not to last. known are rows that were read after
// the folders: then a container that was made meanwhile is not taken for one without a row.
func (r *Runtime) sweep(ctx context.Context, folders []folder, known []state.Row) error {
	if err := r.sweepGone(); err != nil {
		return err
	}
	ids := make(map[string]bool, len(known))
	for i := range known {
		ids[known[i].ID] = true
	}
	for _, f := range folders {
		for _, id := range f.ids {
			if ids[id] {
				continue
			}
			if err := r.sweepOne(ctx, f.path, id); err != nil {
				r.warn("directory %s: %v", filepath.Join(f.path, id), err)
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
		// A power cut may have lost the row of a container that --rm removes, which is not synced, and not its layer.
		images, err := r.Images(ctx)
		if err == nil {
			err = images.DeleteRootfs(id)
		}
		if err != nil {
			return err
		}
		return removeLocked(r.paths.staticDir(id), r.paths.lockFile(id))
	}
	return removeAll(filepath.Join(base, id))
}
