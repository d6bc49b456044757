package libpod

import (
	"context"
	"errors"
	"time"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// Run is create, start, attach, wait and, with --rm, remove.
func (r *Runtime) Run(ctx context.Context, req *spec.Request, o RunOptions) (RunReport, error) {
	var (
		report RunReport
		run    *running
	)
	if o.Streams != nil {
		if _, err := monitor.ParseDetachKeys(o.Streams.DetachKeys); err != nil {
			return report, err
		}
	}
	if rt, err := r.runtime(); err == nil {
		if w, ok := rt.(oci.Warmer); ok {
			w.Warm()
			defer w.Cool()
		}
	}
	stored := func(ctx context.Context, c *locked) error { return c.beginNetworkFirst(ctx) }
	err := r.create(ctx, req, o.Progress, stored, func(ctx context.Context, c *locked, warnings []Warning) error {
		report.ID = c.row.ID
		s := &start{locked: c, attached: o.Streams != nil, window: o.Streams.firstSize(), portHolders: o.PortHolders}
		defer s.closeExtra()
		if err := s.serve(s.cfg.Process.PreserveFDs); err != nil {
			return err
		}
		if err := s.prepare(ctx); err != nil {
			return r.keepCreated(ctx, c, err)
		}
		if o.Created != nil {
			warnings = append(warnings, s.notices(o.Streams == nil)...)
			o.Created(CreateReport{ID: c.row.ID, Name: c.row.Name, Warnings: warnings})
		}
		var err error
		run, err = s.begun(ctx, o.Streams)
		return err
	})
	if err != nil {
		return report, err
	}
	res, err := r.follow(ctx, run)
	report.ExitCode, report.Detached = res.ExitCode, res.Detached || o.Streams == nil
	return report, err
}

// keepCreated leaves a container whose start failed in status "created", as Podman and Docker
// do, so that the user can look at it. With --rm it goes, and when the user's words were
// wrong: those change nothing.
func (r *Runtime) keepCreated(ctx context.Context, c *locked, cause error) error {
	wrong := errors.Is(cause, errdefs.ErrInvalid) || errors.Is(cause, errdefs.ErrNotFound) || errors.Is(cause, errdefs.ErrUnsupported) || errors.Is(cause, errdefs.ErrState)
	if c.cfg.Life.Remove || wrong {
		c.row.State.Status = define.StatusCreating
		return cause
	}
	c.row.State.Status, c.row.State.Mounted = define.StatusCreated, false
	return errors.Join(cause, c.failStart(ctx, cause))
}

// running is a started container that this process started and, attached, follows.
type running struct {
	id         string
	generation uint64
	remove     bool
	session    *monitor.Session
	attachment *monitor.Attachment
}

// begun attaches the streams, if any, and releases the init. The caller still holds the lock.
func (s *start) begun(ctx context.Context, streams *Streams) (*running, error) {
	run := &running{id: s.row.ID, generation: s.row.State.Generation, remove: s.cfg.Life.Remove, session: s.session}
	if streams != nil {
		o, err := streams.options()
		if err == nil {
			o.Lossless = true
			if s.cfg.Log.IsPassthrough() {
				o.Stdin, o.Stdout, o.Stderr = nil, nil, nil // the program has the caller's already
			}
			run.attachment, err = s.session.Attach(ctx, o)
		}
		if err != nil {
			return nil, errors.Join(err, s.abort(context.WithoutCancel(ctx)), s.undoStart(context.WithoutCancel(ctx)))
		}
		s.emit(eventlog.Attach)
	}
	if err := s.announceMain(); err != nil {
		return nil, errors.Join(err, s.abort(context.WithoutCancel(ctx)), s.undoStart(context.WithoutCancel(ctx)))
	}
	if err := s.unleash(ctx); err != nil {
		return nil, err
	}
	if err := s.carryNetwork(ctx); err != nil {
		return nil, err
	}
	if run.attachment == nil {
		s.session.Release()
	}
	return run, nil
}

// follow waits for the end of an attached container, settles it, and removes it with --rm.
// Nothing is locked meanwhile.
func (r *Runtime) follow(ctx context.Context, run *running) (AttachResult, error) {
	if run.attachment == nil {
		return AttachResult{Detached: true}, nil
	}
	res, err := run.attachment.Wait(ctx)
	if res.Detached || ctx.Err() != nil {
		run.session.Release()
		return AttachResult{Detached: true}, ctx.Err()
	}
	record, waitErr := run.session.Wait(ctx)
	if waitErr != nil {
		// The monitor died. The container may go on without it.
		run.session.Release()
		return AttachResult{ExitCode: define.ExitManager}, errors.Join(err, monitorLost(waitErr))
	}
	fault.Point("run: ended")
	settled := r.settleRun(context.WithoutCancel(ctx), run, record)
	fault.Point("run: settled")
	_ = run.session.Done()
	return AttachResult{ExitCode: record.Code}, settled
}

func monitorLost(cause error) error {
	return &errdefs.Error{
		Op: "attach", Kind: "monitor", Class: errdefs.ErrUnavailable, Cause: cause,
		Hint: "\"manager ps -a\" shows whether the container goes on without it",
	}
}

// settleRun writes the end of a start down. Somebody else may have been faster.
func (r *Runtime) settleRun(ctx context.Context, run *running, record monitor.ExitRecord) error {
	l, err := r.acquire(ctx, run.id)
	if err == nil {
		defer l.Release()
		var c *container
		if c, err = r.load(ctx, run.id); err == nil {
			if c.row.State.Generation != run.generation || !c.status().Live() {
				return nil
			}
			err = (&locked{container: *c, lock: l, awaited: true}).settle(ctx, record)
		}
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// waitBriefly bounds the wait for a monitor that has nothing more to do.
func waitBriefly(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	context.AfterFunc(ctx, cancel)
	return ctx
}
