package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
)

// waitExit waits until the process behind a pidfd has ended, or ctx has.
func waitExit(ctx context.Context, pidfd *os.File) error {
	for {
		timeout := 100 * time.Millisecond
		if deadline, ok := ctx.Deadline(); ok {
			timeout = min(timeout, time.Until(deadline))
		}
		fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, max(1, int(timeout.Milliseconds())))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Wait waits until a container is in one of the states and returns its exit code; -1 when it
// has not ended, nobody saw it end, or it was removed before the code could be read. One that runs and is
// restarted then has stopped all the same; one that waits for its restart is waited for until the next end.
func (r *Runtime) Wait(ctx context.Context, id string, o WaitOptions) (int, error) {
	conditions := o.Conditions
	if len(conditions) == 0 {
		conditions = []WaitCondition{"stopped", "exited"}
	}
	for _, c := range conditions {
		if !slices.Contains(waitConditions, c) {
			return 0, errdefs.Invalid("--condition", string(c), "no such state").
				WithHint("use one of configured, created, exited, paused, removing, running, stopped, stopping, removed, healthy, unhealthy")
		}
	}
	interval := o.Interval
	if interval <= 0 {
		interval = 250 * time.Millisecond
	}
	code := -1
	ends := slices.Contains(conditions, "stopped") || slices.Contains(conditions, "exited")
	var seen uint64 // the start that was seen to run
	for {
		c, err := r.load(ctx, id)
		if errors.Is(err, errdefs.ErrNotFound) {
			if slices.Contains(conditions, "removed") || !slices.Contains(conditions, "running") {
				return code, nil
			}
			return code, err
		}
		if err != nil {
			return 0, err
		}
		now, generation := c.current(), c.row.State.Generation
		if ends && seen != 0 && now == define.StatusRestarting && seen == generation {
			return r.exitCode(ctx, c)
		}
		if ends && seen != 0 && seen != generation {
			if code < 0 {
				code = c.codeOf(ctx, seen)
			}
			return code, nil
		}
		if now.Live() {
			seen = generation
		}
		healthy, err := c.hasHealth(conditions, now)
		if err != nil {
			return 0, err
		}
		if healthy || matches(conditions, now) {
			if now == define.StatusExited {
				return r.exitCode(ctx, c)
			}
			return -1, nil
		}
		if now.Live() && !slices.Contains(conditions, "paused") && !healthConditions(conditions) {
			// The monitor tells the moment and the code, also of a container that --rm removes.
			if record, err := r.waitMonitor(ctx, c, interval); err == nil && record != nil {
				code = record.Code
				if ends && record.Restart != nil {
					return code, nil
				}
			}
		} else {
			if now == define.StatusRestarting || now == define.StatusRemoving || now == define.StatusCreating {
				// Who was at it may have been killed; errors are for those who ask for more than the end.
				_ = r.reconcileQuietly(ctx, id)
			}
			if err := sleep(ctx, interval); err != nil {
				return 0, err
			}
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
}

var waitConditions = []WaitCondition{"configured", "created", "exited", "paused", "removed", "removing", "running", "stopped", "stopping", "healthy", "unhealthy"}

// healthConditions says whether one of the conditions is about the health.
func healthConditions(conditions []WaitCondition) bool {
	return slices.Contains(conditions, monitor.HealthHealthy) || slices.Contains(conditions, monitor.HealthUnhealthy)
}

// hasHealth says whether a running container's health is one of the conditions. It fails if that can never be.
func (c *container) hasHealth(conditions []WaitCondition, now define.Status) (bool, error) {
	if !healthConditions(conditions) {
		return false, nil
	}
	h := c.cfg.Health
	if h == nil {
		return false, c.fail("wait for the health of", errdefs.ErrState, errors.New("it has no healthcheck"), "make it anew with --health-cmd")
	}
	if !now.Live() {
		if now == define.StatusExited && !matches(conditions, now) {
			return false, c.fail("wait for the health of", errdefs.ErrState, errors.New("it has ended"), "")
		}
		return false, nil
	}
	return slices.Contains(conditions, WaitCondition(c.rt.healthOf(c.row, h.LogDirectory).Status)), nil
}

func matches(conditions []WaitCondition, s define.Status) bool {
	return slices.ContainsFunc(conditions, func(c WaitCondition) bool {
		switch c {
		case "stopped":
			return s == define.StatusExited
		case "configured":
			return s == define.StatusCreated
		}
		return string(c) == string(s)
	})
}

// waitMonitor waits for the exit as the monitor tells it, at most until the process has
// ended or, when there is no monitor to ask, one interval.
func (r *Runtime) waitMonitor(ctx context.Context, c *container, interval time.Duration) (*monitor.ExitRecord, error) {
	record, err := monitor.Wait(ctx, r.paths.runDir(c.row.ID))
	if err == nil && record.Generation == c.row.State.Generation {
		return &record, nil
	}
	return nil, sleep(ctx, interval)
}

// exitCode settles an ended container and returns its code, also when it was started again meanwhile.
func (r *Runtime) exitCode(ctx context.Context, c *container) (int, error) {
	if record, err := monitor.ReadExit(r.paths.runDir(c.row.ID)); err == nil && record.Generation == c.row.State.Generation && c.status().Live() {
		return record.Code, nil
	}
	if c.status() == define.StatusExited && !c.row.State.Unsettled() {
		return c.row.State.ExitCode, nil // nothing is to be settled, nor locked: the disk may be read-only
	}
	code := -1
	err := r.update(ctx, c.row.ID, func(ctx context.Context, l *locked) error {
		code = l.row.State.ExitCode
		if ended := c.row.State.Generation; l.row.State.Generation != ended {
			code = l.codeOf(ctx, ended)
		}
		return nil
	})
	if errors.Is(err, errdefs.ErrNotFound) {
		return code, nil
	}
	return code, err
}

// current is the status as the kernel sees it: a stored "running" whose init has ended is exited, or
// restarting if its monitor says so.
func (c *container) current() define.Status {
	s := &c.row.State
	if !s.Status.Live() || alive(s.PID, s.PIDStart) {
		return s.Status
	}
	record, err := monitor.ReadExit(c.rt.paths.runDir(c.row.ID))
	if err == nil && record.Generation == s.Generation && record.Restart != nil {
		return define.StatusRestarting
	}
	return define.StatusExited
}

// ending reports whether the init has ended or is about to. An exiting process loses its root
// and then its namespaces before it becomes a zombie; the links to them are gone by then.
// Source: proc_pid_root(5), proc_pid_ns(5).
func (c *container) ending() bool {
	if !c.current().Live() {
		return true
	}
	for _, link := range []string{"root", "ns/mnt"} {
		_, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", c.row.State.PID, link))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			return true
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	case <-time.After(d):
		return nil
	}
}
