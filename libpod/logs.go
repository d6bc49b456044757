package libpod

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
)

// logPath is the container's log file.
func (c *container) logPath() string {
	return first(c.cfg.Log.Path, filepath.Join(c.rt.paths.staticDir(c.row.ID), "ctr.log"))
}

// Logs calls each with the lines of a container's log, and with Follow with those to come until
// the container has ended.
func (r *Runtime) Logs(ctx context.Context, id string, o LogsOptions, each func(logs.Line) error) error {
	c, err := r.load(ctx, id)
	if err != nil {
		return err
	}
	if c.cfg.Log.Driver == monitor.LogNone {
		return c.fail("read the log of", errdefs.ErrUnsupported, errdefs.New(errdefs.ErrUnsupported, "", "", "its log driver is none"), "run it with --log-driver k8s-file")
	}
	lo := logs.Options{Path: c.logPath(), Driver: c.cfg.Log.Driver, Since: o.Since, Until: o.Until, Tail: int(o.Tail), Follow: o.Follow}
	if o.Follow {
		done, stop := c.whenEnded(ctx)
		defer stop()
		lo.Done = done
	}
	err = logs.Read(ctx, lo, each)
	if errors.Is(err, errdefs.ErrNotFound) {
		return r.withoutLog(ctx, id, err)
	}
	return err
}

// withoutLog decides what a missing log file means: nothing was written by a container that
// never ran, and one that was removed meanwhile is gone.
func (r *Runtime) withoutLog(ctx context.Context, id string, missing error) error {
	c, err := r.load(ctx, id)
	if err != nil {
		return err
	}
	if s := c.status(); s == define.StatusCreating || s == define.StatusCreated || s == define.StatusRemoving {
		return nil
	}
	if c.cfg.Life.Remove && !c.current().Live() {
		return errdefs.NotFound("container", c.row.Name) // its removal is under way
	}
	return missing
}

// whenEnded closes its channel once the container does not run, nor will by its restart policy, and its
// log is complete.
func (c *container) whenEnded(ctx context.Context) (<-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for now := c.current(); now.Live() || now == define.StatusRestarting; now = c.current() {
			// With or without an answer, this start writes no more into the log afterwards.
			_, err := c.rt.Wait(ctx, c.row.ID, WaitOptions{Conditions: []WaitCondition{"exited", "removing"}})
			if err == nil {
				c, err = c.rt.load(ctx, c.row.ID)
			}
			if err != nil {
				return
			}
		}
	}()
	return done, cancel
}
