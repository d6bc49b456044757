package libpod

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
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
		row, err := newRow(change.Config)
		if err != nil {
			return err
		}
		restore, err := c.setLimits(ctx, change)
		if err != nil {
			return c.fail("update", nil, c.whileEnding("update", err), errdefs.Hint(err))
		}
		fault.Point("update: written")
		before := c.cfg
		if err := c.setLife(ctx, change.Config); err != nil {
			return errors.Join(c.fail("update", nil, c.whileEnding("update", err), errdefs.Hint(err)), restore())
		}
		fault.Point("update: told")
		if err := r.state.SetConfig(ctx, c.durability(), id, row.Brief, row.Config); err != nil {
			return errors.Join(err, restore(), c.setLife(context.WithoutCancel(ctx), before))
		}
		c.emit(eventlog.Update)
		return c.dropRestart(ctx)
	})
}

// setLife tells the monitor of a container that runs the restart policy and the healthcheck of cfg, which is the
// container's from now on.
func (c *locked) setLife(ctx context.Context, cfg *spec.Config) error {
	before := c.cfg
	c.cfg = cfg
	health := !reflect.DeepEqual(cfg.Health, before.Health)
	if !c.status().Live() || !health && cfg.Life.Restart == before.Life.Restart {
		return nil
	}
	u := monitor.Update{Generation: c.row.State.Generation, Restart: c.restart()}
	var err error
	if health {
		u.Health, err = c.healthUpdate(before.Health)
	}
	if err == nil {
		err = monitor.Tell(ctx, c.rt.paths.runDir(c.row.ID), u)
	}
	if errors.Is(err, errdefs.ErrUnavailable) && !health {
		return nil // whoever settles its end goes by the policy that is stored
	}
	if errors.Is(err, errdefs.ErrUnavailable) {
		err = errdefs.New(errdefs.ErrUnavailable, "", "", "its monitor, which runs the healthcheck, is gone").
			WithHint("restart it with \"manager restart %s\" first", c.row.Name)
	}
	if err != nil {
		c.cfg = before
	}
	return err
}

// healthUpdate is the healthcheck of a container that runs, for its monitor.
func (c *locked) healthUpdate(before *spec.Health) (*monitor.HealthUpdate, error) {
	u := &monitor.HealthUpdate{Config: c.monitorHealth(), Stop: c.stopping()}
	if u.Config == nil {
		return u, nil
	}
	rt, err := c.runtime()
	if err != nil {
		return nil, err
	}
	f := spec.Facts{Rlimits: hardLimits()}
	user, err := lookUp(fmt.Sprintf("/proc/%d/root", c.row.State.PID), c.cfg.Process.User, c.cfg.Process.GroupAdd)
	if err != nil {
		return nil, err
	}
	f.User = spec.UserFacts{UID: user.UID, GID: user.GID, Additional: user.Additional, Home: user.Home}
	if f.Seccomp, err = c.seccomp(); err != nil {
		return nil, err
	}
	q := oci.ProbeRequest{ID: c.row.ID, Bundle: c.rt.paths.runDir(c.row.ID), Cgroup: c.row.State.CgroupPath}
	if q.Probes, err = c.probes(u.Config, &f, "-"+rand.Text()); err != nil {
		return nil, err
	}
	u.Keep = before != nil && slices.Equal(before.Check.Test, c.cfg.Health.Check.Test) &&
		(c.cfg.Health.Startup == nil || before.Startup == nil || slices.Equal(before.Startup.Test, c.cfg.Health.Startup.Test))
	u.Place, err = rt.PrepareProbes(q)
	return u, err
}

// dropRestart ends the wait of a container whose policy does not restart it any more.
func (c *locked) dropRestart(ctx context.Context) error {
	s := &c.row.State
	if s.Status != define.StatusRestarting {
		return nil
	}
	policy := c.restart()
	if policy != nil && s.Restarts > 0 {
		policy.Count = s.Restarts - 1 // this one was counted when it was decided
	}
	record := monitor.ExitRecord{Code: s.ExitCode, Cause: s.Cause, Again: s.Cause == monitor.CauseHealth, FinishedAt: s.FinishedAt}
	if policy.After(record, false) != nil {
		return nil
	}
	return c.cancelRestart(ctx, false)
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
