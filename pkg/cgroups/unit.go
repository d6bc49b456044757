package cgroups

import (
	"context"
	"errors"
	"time"

	"github.com/manager-project/manager/pkg/cgroups/systemd"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/undo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// unit is a cgroup's scope of systemd. The methods of a nil unit, that of a cgroup that systemd has
// no part in, do nothing.
type unit struct {
	name   string
	user   bool
	holder *launch.Holder // keeps a new scope alive until the first process is in it
}

// busLimit is how long systemd may take for one operation. A start takes milliseconds; a
// busy manager that is reloading a thousand units takes seconds.
const busLimit = 30 * time.Second

// do connects for one operation.
func (u *unit) do(f func(context.Context, *systemd.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), busLimit)
	defer cancel()
	conn, err := systemd.Connect(ctx, u.user)
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(ctx, conn)
}

// createScope has systemd make the cgroup, and makes the directories that systemd does not.
func createScope(cfg Config) (_ *Cgroup, err error) {
	if cfg.Scope == "" {
		return nil, errdefs.Invalid("scope", cfg.Scope, "it has no name")
	}
	if cfg.Owner != nil && *cfg.Owner < 0 {
		return nil, errdefs.Invalid("owner", signed(int64(*cfg.Owner)), "it is no user id")
	}
	more, err := systemd.FromAnnotations(cfg.Annotations)
	if err != nil {
		return nil, err
	}
	l, err := ReadLayout()
	if err != nil {
		return nil, err
	}
	if l.Mode() == Disabled {
		return nil, errdefs.Unsupported("the systemd cgroup manager", "no cgroup file system is mounted at "+root)
	}
	if len(l.V1) > 0 && !cfg.UserBus && cfg.Resources != nil {
		rules, err := deviceRules(cfg.Resources)
		if err != nil {
			return nil, err
		}
		more = append(scopeDevices(rules), more...)
	}
	u := &unit{name: cfg.Scope, user: cfg.UserBus}
	var steps undo.Stack
	defer func() {
		if err != nil {
			err = errors.Join(err, steps.Run())
		}
	}()
	if u.holder, err = launch.Hold(); err != nil {
		return nil, err
	}
	steps.Add(func() error { u.release(); return nil })
	place := ""
	err = u.do(func(ctx context.Context, conn *systemd.Conn) error {
		limits := scopeLimits(cfg.Resources, len(l.V1) == 0, conn.Version())
		if err := conn.StartScope(ctx, u.name, append(append(scopeBasics(cfg, l, u.holder.PID), limits...), more...)); err != nil {
			return err
		}
		steps.Add(u.stop)
		place, err = conn.ControlGroup(ctx, u.name)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := locateIn(l, place)
	c.unit, cfg.Reuse = u, true // the holder is in it
	steps.Add(func() error { return removeV1(c) })
	return c.create(cfg)
}

// removeV1 removes what systemd does not know of.
func removeV1(c *Cgroup) error {
	var errs []error
	for _, dir := range c.v1Dirs {
		errs = append(errs, removeDir(dir))
	}
	return errors.Join(errs...)
}

// release lets the holder go.
func (u *unit) release() {
	if u != nil && u.holder != nil {
		u.holder.Release()
	}
}

// stop stops the scope and forgets it if it had failed.
func (u *unit) stop() error {
	if u == nil {
		return nil
	}
	u.release()
	return u.do(func(ctx context.Context, conn *systemd.Conn) error { return conn.Stop(ctx, u.name) })
}

// StopScope ends the processes of a scope, wherever its cgroup is. One that is not there is no error.
func StopScope(cfg Config) error {
	return (&unit{name: cfg.Scope, user: cfg.UserBus}).stop()
}

// update tells systemd what the files have been told, so that a reload does not put old values back.
func (u *unit) update(c *Cgroup, r *specs.LinuxResources) error {
	if u == nil || r == nil {
		return nil
	}
	return u.do(func(ctx context.Context, conn *systemd.Conn) error {
		return conn.SetProperties(ctx, u.name, scopeLimits(r, len(c.layout.V1) == 0, conn.Version()))
	})
}
