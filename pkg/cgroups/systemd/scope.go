package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Property is one property of a unit. Value is of the type that systemd wants, as a Go type that
// D-Bus knows: uint64 for t, bool for b, string for s, []byte for ay.
// Source: org.freedesktop.systemd1(5).
type Property struct {
	Name  string
	Value any
}

// property is Property as it crosses the bus.
type property struct {
	Name  string
	Value dbus.Variant
}

// auxiliary is a unit started along with another, of which there are none.
type auxiliary struct {
	Name       string
	Properties []property
}

func wrap(props []Property) []property {
	out := make([]property, 0, len(props))
	for _, p := range props {
		v, ok := p.Value.(dbus.Variant)
		if !ok {
			v = dbus.MakeVariant(p.Value)
		}
		out = append(out, property{p.Name, v})
	}
	return out
}

// The errors by which systemd tells what a unit's name lacks.
const (
	errExists = service + ".UnitExists"
	errNoUnit = service + ".NoSuchUnit"
)

// failedWith says that the manager answered with one of its named errors.
func failedWith(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == name
}

// StartScope makes a scope and waits until it is there. props must hold PIDs, since systemd refuses a
// scope without processes. A failed unit of that name is forgotten first; one that lives is ErrExists.
func (c *Conn) StartScope(ctx context.Context, name string, props []Property) error {
	if err := c.watchJobs(ctx); err != nil {
		return c.failed("start", name, err)
	}
	start := func() (dbus.ObjectPath, error) {
		var job dbus.ObjectPath
		err := c.manager.CallWithContext(ctx, iface+".StartTransientUnit", 0, name, "fail", wrap(props), []auxiliary{}).Store(&job)
		return job, err
	}
	job, err := start()
	if failedWith(err, errExists) && c.ResetFailed(ctx, name) == nil {
		job, err = start()
	}
	if failedWith(err, errExists) {
		return errdefs.New(errdefs.ErrExists, "unit", name, "a unit of that name exists already").
			WithHint("stop it with systemctl stop %s, or choose another name", name)
	}
	if err != nil {
		return c.failed("start", name, err)
	}
	result, err := c.waitJob(ctx, job)
	if err != nil {
		return c.failed("start", name, err)
	}
	if result != "done" {
		_ = c.ResetFailed(ctx, name)
		return errdefs.New(errdefs.ErrUnavailable, "unit", name, "its start ended as %q", result).WithHint("see journalctl -u %s", name)
	}
	return nil
}

// Stop stops a unit and waits for it; one that does not exist is no error. A unit that failed is forgotten.
func (c *Conn) Stop(ctx context.Context, name string) error {
	if err := c.watchJobs(ctx); err != nil {
		return c.failed("stop", name, err)
	}
	var job dbus.ObjectPath
	err := c.manager.CallWithContext(ctx, iface+".StopUnit", 0, name, "replace").Store(&job)
	if err == nil {
		_, err = c.waitJob(ctx, job)
	}
	if err != nil && !failedWith(err, errNoUnit) {
		return c.failed("stop", name, err)
	}
	if err := c.ResetFailed(ctx, name); err != nil && !failedWith(err, errNoUnit) {
		return c.failed("stop", name, err)
	}
	return nil
}

// ResetFailed forgets that a unit failed.
func (c *Conn) ResetFailed(ctx context.Context, name string) error {
	return c.manager.CallWithContext(ctx, iface+".ResetFailedUnit", 0, name).Err
}

// SetProperties changes properties of a unit until it ends.
func (c *Conn) SetProperties(ctx context.Context, name string, props []Property) error {
	if len(props) == 0 {
		return nil
	}
	err := c.manager.CallWithContext(ctx, iface+".SetUnitProperties", 0, name, true, wrap(props)).Err
	if err != nil {
		return c.failed("change", name, err)
	}
	return nil
}

// ControlGroup is the path of a scope's cgroup, below the root of the hierarchies.
func (c *Conn) ControlGroup(ctx context.Context, name string) (string, error) {
	var unit dbus.ObjectPath
	if err := c.manager.CallWithContext(ctx, iface+".GetUnit", 0, name).Store(&unit); err != nil {
		return "", c.failed("find", name, err)
	}
	var v dbus.Variant
	err := c.bus.Object(service, unit).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, scope, "ControlGroup").Store(&v)
	if err != nil {
		return "", c.failed("find", name, err)
	}
	p, _ := v.Value().(string)
	if !strings.HasPrefix(p, "/") || strings.Contains(p, "..") {
		return "", errdefs.New(errdefs.ErrCorrupt, "unit", name, "systemd gives %q as its cgroup", p)
	}
	return p, nil
}

func (c *Conn) failed(op, name string, err error) error {
	return &errdefs.Error{Op: op, Kind: "unit", Name: name, Class: errdefs.ErrUnavailable, Cause: fmt.Errorf("systemd: %w", err)}
}

// watchJobs has the end of jobs told to this connection, before the first is begun.
func (c *Conn) watchJobs(ctx context.Context) error {
	if c.jobs != nil {
		return nil
	}
	jobs := make(chan *dbus.Signal, 256)
	c.bus.Signal(jobs)
	// On systemd's own socket there is no bus to ask for matches, and every signal comes.
	_ = c.bus.AddMatchSignalContext(ctx, dbus.WithMatchInterface(iface), dbus.WithMatchMember("JobRemoved"))
	if err := c.manager.CallWithContext(ctx, iface+".Subscribe", 0).Err; err != nil && !failedWith(err, service+".AlreadySubscribed") {
		return err
	}
	c.jobs = jobs
	return nil
}

// waitJob waits for the end of a job and gives its result, like "done" or "failed".
func (c *Conn) waitJob(ctx context.Context, job dbus.ObjectPath) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case s, ok := <-c.jobs:
			if !ok {
				return "", errors.New("the connection was closed")
			}
			var id uint32
			var path dbus.ObjectPath
			var unit, result string
			if s.Name == iface+".JobRemoved" && dbus.Store(s.Body, &id, &path, &unit, &result) == nil && path == job {
				return result, nil
			}
		}
	}
}
