package libpod

import (
	"context"
	"errors"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/spec"
)

// Update changes a container's limits and settings: of one that runs at once where the kernel can, of any for its
// next start. After an error everything is as it was; wrong words are class ErrInvalid and name the option.
func (r *Runtime) Update(ctx context.Context, id string, req *spec.UpdateRequest) error {
	host, err := r.host(ctx, "")
	if err != nil {
		return err
	}
	return r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if err := r.cgroupFacts(host, c.cfg.Limits.CgroupParent); err != nil {
			return err
		}
		change, err := spec.Update(c.cfg, req, host)
		if err != nil {
			return err
		}
		if err := cgroups.Check(change.Resources, host.Controllers); err != nil {
			return err
		}
		if change.Config.Life.Restart != c.cfg.Life.Restart && (c.status().Live() || c.status() == define.StatusRestarting) {
			return errdefs.Unsupported("--restart", "the monitor of %s, which runs, keeps the policy that it was started with", c.row.Name).
				WithHint("stop it first with \"manager stop %s\"", c.row.Name)
		}
		row, err := newRow(change.Config)
		if err != nil {
			return err
		}
		restore, err := c.setLimits(ctx, change)
		if err != nil {
			return c.fail("update", nil, c.whileEnding("update", err), errdefs.Hint(err))
		}
		fault.Point("update: written")
		if err := r.state.SetConfig(ctx, c.durability(), id, row.Brief, row.Config); err != nil {
			return errors.Join(err, restore())
		}
		c.emit(eventlog.Update)
		return nil
	})
}

// setLimits writes limits to the cgroup of a container that runs.
func (c *locked) setLimits(ctx context.Context, change *spec.Change) (restore func() error, err error) {
	s := &c.row.State
	if change.Resources == nil || !s.Status.Live() || s.CgroupPath == "" {
		return func() error { return nil }, nil
	}
	rt, err := c.runtime()
	if err != nil {
		return nil, err
	}
	l, ok := rt.(oci.Limiter)
	if !ok {
		return nil, errdefs.Unsupported("update", "its runtime cannot change limits")
	}
	return l.SetLimits(ctx, oci.LimitRequest{
		ID: c.row.ID, Bundle: c.rt.paths.runDir(c.row.ID), Cgroup: s.CgroupPath, Change: change.Resources, All: change.Config.Limits.Resources,
	})
}
