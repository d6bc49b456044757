package libpod

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
)

// Pause freezes all processes of a running container.
func (r *Runtime) Pause(ctx context.Context, id string) error {
	return r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if c.status() != define.StatusRunning {
			return c.wrongState("pause", "running")
		}
		f, err := c.freezer("pause")
		if err != nil {
			return err
		}
		if err := c.inCgroup(ctx, "pause"); err != nil {
			return err
		}
		// Noted first: what runs and is said to be paused can be resumed, but an exec in what is
		// frozen and said to run would hang.
		c.row.State.Status = define.StatusPaused
		if err := c.save(ctx); err != nil {
			return err
		}
		fault.Point("pause: noted")
		if err := f.Freeze(ctx, c.row.State.CgroupPath); err != nil {
			c.row.State.Status = define.StatusRunning
			return errors.Join(c.fail("pause", errdefs.ErrUnavailable, err, ""), c.save(context.WithoutCancel(ctx)))
		}
		fault.Point("pause: frozen")
		c.emit(eventlog.Pause)
		return nil
	})
}

// inCgroup fails when somebody has moved the container's process out of its cgroup: what is done to that is not done to it.
func (c *locked) inCgroup(ctx context.Context, op string) error {
	rt, err := c.runtime()
	if err != nil {
		return err
	}
	lister, ok := rt.(oci.Lister)
	if !ok {
		return nil
	}
	s := &c.row.State
	pids, err := lister.PIDs(ctx, s.CgroupPath)
	if err != nil {
		return c.fail(op, errdefs.ErrUnavailable, err, "")
	}
	if slices.Contains(pids, s.PID) {
		return nil
	}
	return c.fail(op, errdefs.ErrState, fmt.Errorf("process %d is no longer in its cgroup %s: somebody has moved it", s.PID, s.CgroupPath),
		"move the container's processes back: write their numbers to the file cgroup.procs there")
}

// Unpause lets a paused container go on.
func (r *Runtime) Unpause(ctx context.Context, id string) error {
	return r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if c.status() != define.StatusPaused {
			return c.wrongState("unpause", "paused")
		}
		if err := c.thaw(ctx); err != nil {
			return err
		}
		c.row.State.Status = define.StatusRunning
		c.emit(eventlog.Unpause)
		return c.save(ctx)
	})
}

// thaw resumes the processes; the caller stores the state.
func (c *locked) thaw(ctx context.Context) error {
	f, err := c.freezer("unpause")
	if err != nil {
		return err
	}
	if err := f.Thaw(ctx, c.row.State.CgroupPath); err != nil {
		return c.fail("unpause", errdefs.ErrUnavailable, err, "")
	}
	return nil
}

func (c *locked) freezer(op string) (oci.Freezer, error) {
	if c.row.State.CgroupPath == "" {
		hint := "run it without --cgroups=disabled"
		if !c.cfg.Limits.Disabled {
			hint = "a user can pause containers only where a cgroup is delegated to him: log in through systemd on cgroup version 2"
		}
		return nil, c.fail(op, errdefs.ErrUnsupported, errors.New("it has no cgroup"), hint)
	}
	rt, err := c.runtime()
	if err != nil {
		return nil, err
	}
	f, ok := rt.(oci.Freezer)
	if !ok {
		return nil, c.fail(op, errdefs.ErrUnsupported, errors.New("its runtime cannot freeze"), "")
	}
	return f, nil
}
