package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// killWait is how long a process may take to die of SIGKILL. One that takes longer hangs in
// the kernel (a dead network file system, a broken disk).
const killWait = 15 * time.Second

// Stop sends the stop signal, waits, and kills. Nothing is locked while it waits. A process
// that could never notice the signal is not waited for.
func (r *Runtime) Stop(ctx context.Context, id string, o StopOptions) (StopReport, error) {
	return r.stop(ctx, id, o, monitor.StopByStop)
}

// stop is Stop; by says for what, see monitor.Stop.
func (r *Runtime) stop(ctx context.Context, id string, o StopOptions, by string) (StopReport, error) {
	var (
		report  StopReport
		stopped *container
		pidfd   *os.File
		waiting *os.File
	)
	err := r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if c.status() == define.StatusRestarting {
			return c.cancelRestart(ctx, by != monitor.StopByRestart)
		}
		if !c.status().Live() {
			report.AlreadyStopped = true
			return nil
		}
		if c.status() == define.StatusPaused {
			if err := c.thaw(ctx); err != nil {
				return err
			}
		}
		var err error
		if pidfd, err = openProcess(c.row.State.PID, c.row.State.PIDStart); err != nil {
			return err
		}
		if waiting, err = r.holdStop(id); err != nil {
			return err
		}
		if err := c.noteStop(by, c.cfg.Life.StopSignal, o.timeout(&c.container)); err != nil {
			return err
		}
		c.row.State.Status, c.row.State.StoppedByUser = define.StatusStopping, by != monitor.StopByRestart
		stopped = &c.container
		return c.save(ctx)
	})
	defer closeFiles([]*os.File{pidfd, waiting})
	if err != nil || stopped == nil {
		return report, err
	}
	go r.warmStore() // what follows the end wants it, and the program takes its time to end
	if pidfd != nil {
		if err = stopped.end(ctx, pidfd, o.timeout(stopped), &report); err != nil {
			return report, err
		}
	}
	stopped.emit(eventlog.Stop)
	return report, r.settleAfter(ctx, id)
}

// warmStore opens the store of root filesystems ahead of time. What goes wrong shows when it is needed.
func (r *Runtime) warmStore() {
	if images, err := r.Images(context.Background()); err == nil {
		_, _ = images.Store()
	}
}

// timeout is how long after the stop signal SIGKILL follows.
func (o StopOptions) timeout(c *container) time.Duration {
	seconds := c.cfg.Life.StopTimeout
	if o.Timeout != nil {
		seconds = *o.Timeout
	}
	return time.Duration(seconds) * time.Second
}

// noteStop tells the monitor that what ends the container now is a command. On a full disk it is ended
// all the same: that may be what frees it.
func (c *locked) noteStop(by string, sig int, timeout time.Duration) error {
	note := monitor.Stop{Generation: c.row.State.Generation, By: by, Signal: sig, Timeout: timeout, At: time.Now()}
	err := c.rt.withRoom(func() error { return monitor.WriteStop(c.rt.paths.runDir(c.row.ID), note) })
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		c.rt.warn("container %s: who ends it cannot be noted: %v", c.row.Name, err)
		return nil
	}
	return err
}

// settleAfter lets reconcile settle a container whose init has ended.
func (r *Runtime) settleAfter(ctx context.Context, id string) error {
	err := r.update(ctx, id, func(context.Context, *locked) error { return nil })
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil // --rm
	}
	return err
}

// end sends the stop signal and, when it is no use or the time is up, SIGKILL, and reports
// why that was needed.
func (c *container) end(ctx context.Context, pidfd *os.File, timeout time.Duration, report *StopReport) error {
	sig := unix.Signal(c.cfg.Life.StopSignal)
	if err := signalProcess(pidfd, sig); err != nil {
		return c.fail("stop", errdefs.ErrPermission, err, "")
	}
	if sig != unix.SIGKILL {
		done, err := c.waitStop(ctx, pidfd, sig, timeout, report)
		if err != nil || done {
			return err
		}
		if err := signalProcess(pidfd, unix.SIGKILL); err != nil {
			return c.fail("stop", errdefs.ErrPermission, err, "")
		}
		report.Killed = true
	}
	kctx, cancel := context.WithTimeout(ctx, killWait)
	defer cancel()
	if err := waitExit(kctx, pidfd); err != nil {
		return c.fail("stop", errdefs.ErrUnavailable, fmt.Errorf("process %d does not die of SIGKILL: %w", c.row.State.PID, err),
			"it hangs in the kernel; look at /proc/"+fmt.Sprint(c.row.State.PID)+"/stack")
	}
	return nil
}

// youngAge is how long a program may take from its start to installing its handlers. A
// process younger than that is given the time before it is called deaf.
const youngAge = time.Second

// waitStop waits for the exit after the stop signal. done is false when SIGKILL is next; the
// report then says why.
func (c *container) waitStop(ctx context.Context, pidfd *os.File, sig unix.Signal, timeout time.Duration, report *StopReport) (done bool, err error) {
	deadline := time.Now().Add(timeout)
	grown := c.row.State.StartedAt.Add(youngAge)
	for step := 2 * time.Millisecond; ; step = min(2*step, 100*time.Millisecond) {
		left := time.Until(deadline)
		if left <= 0 {
			report.Reason = fmt.Sprintf("%s did not end it within %s", spec.SignalName(sig), timeout)
			return false, nil
		}
		wctx, cancel := context.WithTimeout(ctx, min(step, left))
		err := waitExit(wctx, pidfd)
		cancel()
		if err == nil {
			return true, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if time.Now().After(grown) {
			if deaf, _ := c.deafTo(sig); deaf {
				report.Deaf, report.Reason = true, fmt.Sprintf("it neither handles nor blocks %s", spec.SignalName(sig))
				return false, nil
			}
		} else if deaf, _ := c.deafTo(sig); !deaf {
			// It has just learnt to listen: a signal sent before that was lost.
			if err := signalProcess(pidfd, sig); err != nil {
				return false, err
			}
			grown = time.Time{}
		}
	}
}

// Kill sends a signal, by name or number, to the container's init.
func (r *Runtime) Kill(ctx context.Context, id string, signal string) error {
	sig, err := spec.ParseSignal("--signal", signal)
	if err != nil {
		return err
	}
	var killed *os.File
	err = r.update(ctx, id, func(ctx context.Context, c *locked) error {
		ends := sig == unix.SIGKILL || int(sig) == c.cfg.Life.StopSignal
		if ends && c.status() == define.StatusRestarting {
			return c.cancelRestart(ctx, true) // there is no process; that it does not come back is what is wanted
		}
		if !c.status().Live() {
			return c.wrongState("kill", "running")
		}
		pidfd, err := openProcess(c.row.State.PID, c.row.State.PIDStart)
		if err != nil || pidfd == nil {
			return err
		}
		if ends {
			if err := c.noteStop(monitor.StopByKill, int(sig), 0); err != nil {
				_ = pidfd.Close()
				return err
			}
		}
		if err := signalProcess(pidfd, unix.Signal(sig)); err != nil || unix.Signal(sig) != unix.SIGKILL {
			_ = pidfd.Close()
			if err != nil {
				return c.fail("kill", errdefs.ErrPermission, err, "")
			}
			c.emitKill(int(sig))
			return nil
		}
		c.emitKill(int(sig))
		killed = pidfd
		c.row.State.StoppedByUser = true
		if c.status() == define.StatusPaused {
			// A process frozen by the version 1 freezer dies only when it is thawed.
			if err := c.thaw(ctx); err != nil {
				return err
			}
		}
		return c.save(ctx)
	})
	if killed == nil {
		return err
	}
	defer func() { _ = killed.Close() }()
	if err != nil {
		return err
	}
	wctx, cancel := context.WithTimeout(ctx, killWait)
	defer cancel()
	if err := waitExit(wctx, killed); err != nil {
		return err
	}
	return r.settleAfter(ctx, id)
}

// Restart stops a container if it runs, and starts it. The report is about the stop.
func (r *Runtime) Restart(ctx context.Context, id string, o StopOptions) (StopReport, error) {
	c, err := r.load(ctx, id)
	if err != nil {
		return StopReport{}, err
	}
	if c.cfg.Life.Remove && c.status().Live() {
		return StopReport{}, c.fail("restart", errdefs.ErrState, errors.New("--rm would remove it when it stops"), "run it anew with \"manager run\"")
	}
	report, err := r.stop(ctx, id, o, monitor.StopByRestart)
	if err != nil {
		return report, err
	}
	if _, err = r.Start(ctx, id, StartOptions{}); err == nil {
		c.emit(eventlog.Restart)
	}
	return report, err
}
