package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// reconcile compares what the state says with what the kernel says, and finishes or undoes
// what an earlier command did not get to finish. It is the only recovery there is: every
// command that takes a container's lock begins with it.
//
//	creating   nobody holds the lock any more      -> remove
//	removing   likewise                            -> remove
//	live       init runs                           -> nothing
//	live       exit record of this start           -> settle with it; --rm: remove, and it is not found;
//	                                                  by its restart policy: restarting (restart.go)
//	live       no record, monitor alive            -> it is about to write one: wait briefly
//	live       no record, monitor gone             -> settle as lost
//	other      mounted, ended with the machine     -> undo its start; --rm: remove, and it is not found
//	other      mounted                             -> a start was cut short: undo it
func (c *locked) reconcile(ctx context.Context) error {
	s := &c.row.State
	switch {
	case s.Status == define.StatusCreating || s.Status == define.StatusRemoving:
		// Whether a removal that was cut short meant the volumes too is not known: they stay, but for --rm.
		o := RemoveOptions{Force: true, Volumes: s.Status == define.StatusCreating || c.cfg.Life.Remove}
		if err := c.remove(ctx, o); err != nil {
			return err
		}
		return errdefs.NotFound("container", c.row.Name)
	case s.Status.Live():
		if alive(s.PID, s.PIDStart) {
			return nil
		}
		record, err := c.exitRecord(ctx)
		if err != nil {
			return err
		}
		if record.Failure == interrupted && !s.RestartAt.IsZero() {
			s.Status = define.StatusRestarting // its starter has gone, not the reason to start it
			return c.undoStart(ctx)
		}
		if err := c.settle(ctx, record); err != nil || !c.cfg.Life.Remove {
			return err
		}
		return errdefs.NotFound("container", c.row.Name)
	case s.Mounted && s.Cause == monitor.CauseReboot && c.cfg.Life.Remove:
		if err := c.remove(ctx, RemoveOptions{Force: true, Volumes: true}); err != nil {
			return err
		}
		return errdefs.NotFound("container", c.row.Name)
	case s.Mounted:
		return c.undoStart(ctx)
	}
	return nil
}

// interrupted is the end of a start that was not finished.
var interrupted = &launch.Failure{Stage: "start", Detail: "the command that started it was interrupted"}

// exitRecord returns the record of the container's present start. The monitor writes it
// when the init has ended and the last output is logged, so one that still holds its lock
// is given time. Without monitor and record, nobody saw the end.
func (c *locked) exitRecord(ctx context.Context) (monitor.ExitRecord, error) {
	dir := c.rt.paths.runDir(c.row.ID)
	deadline := time.Now().Add(10 * time.Second)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		// The order matters: a record written between the two questions is found by the next turn.
		held, err := monitor.Alive(dir)
		if err != nil {
			return monitor.ExitRecord{}, err
		}
		record, err := monitor.ReadExit(dir)
		if err == nil && record.Generation == c.row.State.Generation {
			return record, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrCorrupt) {
			return monitor.ExitRecord{}, err
		}
		if !held && c.neverReleased(dir) {
			return monitor.ExitRecord{
				Generation: c.row.State.Generation, Code: define.ExitManager, Cause: monitor.CauseStartFailed, FinishedAt: time.Now(),
				Failure: interrupted, Unseen: true,
			}, nil
		}
		if !held || time.Now().After(deadline) {
			lost := monitor.ExitRecord{
				Generation: c.row.State.Generation, Code: -1, Cause: monitor.CauseLost,
				StartedAt: c.row.State.StartedAt, FinishedAt: time.Now(), Unseen: true,
			}
			if stop, err := monitor.ReadStop(dir); err == nil && stop.Generation == lost.Generation {
				lost.Stop = &stop
			}
			if loss, err := monitor.ReadLogLoss(dir); err == nil && loss.Generation == lost.Generation {
				lost.LogLoss = &loss
			}
			return lost, nil
		}
		select {
		case <-ctx.Done():
			return monitor.ExitRecord{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// neverReleased reports whether the start was aborted before the program was let go: then its
// monitor has removed live.json, and nothing else of the run directory.
func (c *locked) neverReleased(dir string) bool {
	_, err := monitor.ReadLive(dir)
	return errors.Is(err, errdefs.ErrNotFound) && exists((&start{locked: c}).bundleFile())
}

// settle notes how a start ended and gives back what it took. With --rm it removes the
// container, and then the state is nobody's any more.
func (c *locked) settle(ctx context.Context, record monitor.ExitRecord) error {
	c.emitEnd(&record)
	c.keepEnd(ctx, record)
	if c.cfg.Life.Remove {
		return c.remove(ctx, RemoveOptions{Force: true, Volumes: true})
	}
	if err := c.release(ctx); err != nil {
		return err
	}
	if err := c.finish(ctx); err != nil {
		return err
	}
	s := &c.row.State
	s.Mounted = false
	c.settleRestart(record)
	if record.Cause == monitor.CauseStartFailed {
		s.StartedAt = time.Time{} // the program never ran
		if s.Generation <= 1 {
			s.Status = define.StatusCreated
		}
	}
	s.PID, s.PIDStart, s.MonitorPID, s.CgroupPath = 0, 0, 0, ""
	s.ExitCode, s.Signal, s.OOMKilled, s.Cause = record.Code, record.Signal, record.OOMKilled, record.Cause
	s.FinishedAt = record.FinishedAt
	if !record.StartedAt.IsZero() {
		s.StartedAt = record.StartedAt
	}
	s.Error = ""
	if record.Failure != nil {
		s.Error = record.Failure.Error()
	}
	if err := c.removeExecs(ctx); err != nil {
		return err
	}
	if err := c.keepHealth(); err != nil {
		return err
	}
	c.keepLogLoss(record.LogLoss)
	if err := c.save(ctx); err != nil {
		return err
	}
	c.emit(eventlog.Cleanup)
	if s.Status != define.StatusRestarting && c.cfg.Life.Restart.Policy != "" {
		// The monitor may have planned a restart that a command has called off in the same moment.
		if err := monitor.CancelRestart(c.restartLock()); err != nil {
			return err
		}
	}
	// Last, because the exit record is in it.
	return removeAll(c.rt.paths.runDir(c.row.ID))
}

// undoStart takes back a start that never let the program run. The container is as it was before; one that
// was to be restarted still is.
func (c *locked) undoStart(ctx context.Context) error {
	if err := c.release(ctx); err != nil {
		return err
	}
	if err := c.finish(ctx); err != nil {
		return err
	}
	s := &c.row.State
	s.Mounted, s.PID, s.PIDStart, s.MonitorPID, s.CgroupPath = false, 0, 0, 0, ""
	if s.Status.Live() {
		s.Status = define.StatusExited
		if s.StartedAt.IsZero() {
			s.Status = define.StatusCreated
		}
	}
	return errors.Join(c.save(ctx), removeAll(c.rt.paths.runDir(c.row.ID)))
}

// release gives back what a start took: processes, cgroup, mounts. Every step may be done already. The run
// directory stays: the caller calls finish when the layer is unmounted too, and removes it when the exit record
// in it is written down. It goes on after a failure, so that as little as possible is left.
func (c *locked) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), define.CleanupTimeout)
	defer cancel()
	var errs []error
	dir := c.rt.paths.runDir(c.row.ID)
	if err := c.endMonitor(ctx, dir); err != nil {
		errs = append(errs, err)
	}
	if err := c.destroy(ctx); err != nil {
		errs = append(errs, fmt.Errorf("cgroup: %w", err))
	}
	if err := c.tearDownNetwork(ctx); err != nil {
		errs = append(errs, err)
	}
	if err := c.rt.withRoom(func() error { return c.unmountAll(ctx) }); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return c.fail("clean up", nil, errors.Join(errs...), "run \"manager rm -f "+c.row.Name+"\" when the cause is gone")
	}
	return nil
}

// finish runs the poststop hooks, once all is torn down. One that fails or takes too long is a warning: the container is gone.
func (c *locked) finish(ctx context.Context) error {
	rt, err := c.runtime()
	if err != nil {
		return err
	}
	f, ok := rt.(oci.Finisher)
	if !ok {
		return nil
	}
	for _, err := range f.Finish(ctx, c.leftover()) {
		if err != nil {
			c.rt.warn("container %s: %v", c.row.Name, err)
		}
	}
	return nil
}

// leftover names what the runtime may have left.
func (c *locked) leftover() oci.Leftover {
	return oci.Leftover{ID: c.row.ID, Bundle: c.rt.paths.runDir(c.row.ID), Cgroup: first(c.row.State.CgroupPath, c.cgroupPath())}
}

// endMonitor waits until the monitor of a start that has ended is gone. One that hangs, or
// whose start was cut short, is killed with its init.
func (c *locked) endMonitor(ctx context.Context, dir string) error {
	live, err := c.lastLive(ctx, dir)
	if err != nil {
		return nil // it never came to life
	}
	if alive(live.PID, live.StartTime) {
		pidfd, err := openProcess(live.PID, live.StartTime)
		if err != nil {
			return err
		}
		if pidfd != nil {
			defer func() { _ = pidfd.Close() }()
			if err := signalProcess(pidfd, 9); err != nil {
				return fmt.Errorf("kill process %d: %w", live.PID, err)
			}
			if err := waitExit(ctx, pidfd); err != nil {
				return fmt.Errorf("process %d does not die: %w", live.PID, err)
			}
		}
	}
	return nil
}

// lastLive is what the monitor says of its init. A monitor whose starter was killed in this moment may yet be making
// the init, and is given time to say so or to go: an init that is made later would write below where its root was.
func (c *locked) lastLive(ctx context.Context, dir string) (monitor.Live, error) {
	for deadline := time.Now().Add(5 * time.Second); ; {
		held, alive := monitor.Alive(dir)
		live, err := monitor.ReadLive(dir)
		if err == nil || alive != nil || !held || time.Now().After(deadline) {
			return live, err
		}
		select {
		case <-ctx.Done():
			return live, err
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// destroy takes away what the runtime made.
func (c *locked) destroy(ctx context.Context) error {
	l := c.leftover()
	rt, err := c.runtime()
	if err != nil {
		return err
	}
	if err := rt.Destroy(ctx, l); err != nil || l.Cgroup == "" {
		return err
	}
	// The parent that nobody asked for goes with its last container.
	if t, ok := rt.(oci.Tidier); ok && !c.awaited && c.ownsCgroupParent() {
		t.RemoveEmpty(cgroupParent)
	}
	return nil
}

// Cleanup undoes what a start did, for a container that has ended; remove also removes it.
// The monitor calls it when no client is left. A generation other than 0 and the present one
// says that the clean-up comes late, and nothing is done.
func (r *Runtime) Cleanup(ctx context.Context, id string, generation uint64, remove bool) error {
	fault.Point("clean-up: due")
	err := r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if generation != 0 && generation != c.row.State.Generation {
			return nil
		}
		if c.status().Live() {
			return c.wrongState("clean up", "stopped")
		}
		if remove {
			return c.remove(ctx, RemoveOptions{Volumes: true})
		}
		return nil
	})
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil // --rm, or somebody else was faster
	}
	return err
}
