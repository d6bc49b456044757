package libpod

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
)

// A restart by policy takes these steps, each of which may be the last of its process:
//
//	the monitor decides by the policy, holds the restart, writes the exit record    monitor/server/restart.go
//	whoever cleans up settles the start: status restarting                          settle
//	the monitor waits for the back-off and calls "container cleanup --restart"
//	which starts the container anew, with a new monitor                             RestartByPolicy
//
// stop, kill, rm, restart and start during the back-off change the status first and end the monitor then.
// If it was killed, the next command that lists the container, looks at it or waits for it takes the
// restart over at once. The status and the generation, under the container's lock, keep two from doing it.

func (c *container) restartLock() string {
	return filepath.Join(c.rt.paths.staticDir(c.row.ID), "restart.lock")
}

// restartHeld reports whether a monitor lives that carries the restart out. If nobody can tell, it does.
func (r *Runtime) restartHeld(id string) bool {
	c := container{rt: r, row: &state.Row{ID: id}}
	held, err := monitor.RestartHeld(c.restartLock())
	return held || err != nil
}

// restart is what the policy has come to, for the monitor of the present start; nil without a policy, unless its
// health may have the container restarted.
func (c *container) restart() *monitor.Restart {
	p := &c.cfg.Life.Restart
	if p.Policy == "" && !c.cfg.Health.Restarts() {
		return nil
	}
	s := &c.row.State
	return &monitor.Restart{Policy: p.Policy, Max: p.Max, Count: s.Restarts, Wait: s.RestartWait, Lock: c.restartLock()}
}

// settleRestart notes whether a command ended the start, and whether the policy has it follow by another.
// The monitor has decided the same, unless a command came in that moment.
func (c *locked) settleRestart(record monitor.ExitRecord) {
	s := &c.row.State
	stop, err := monitor.ReadStop(c.rt.paths.runDir(c.row.ID))
	stopped := err == nil && stop.Generation == s.Generation
	if stopped {
		s.StoppedByUser = stop.By != monitor.StopByRestart
	}
	s.Status, s.RestartAt = define.StatusExited, time.Time{}
	if next := c.restart().After(record, stopped); next != nil {
		s.Status, s.Restarts, s.RestartWait, s.RestartAt = define.StatusRestarting, next.Count, next.Wait, next.At
	}
}

// cancelRestart leaves a container that waits for its restart as one that has ended; byUser says that it
// is to stay so.
func (c *locked) cancelRestart(ctx context.Context, byUser bool) error {
	s := &c.row.State
	s.Status, s.RestartAt, s.StoppedByUser = define.StatusExited, time.Time{}, byUser
	if err := c.save(ctx); err != nil {
		return err
	}
	fault.Point("restart: called off")
	return monitor.CancelRestart(c.restartLock())
}

// startByHand forgets what the policy has come to: a start by a user begins anew.
func (s *start) startByHand() error {
	st := &s.row.State
	st.Restarts, st.RestartWait, st.RestartAt = 0, 0, time.Time{}
	if st.Status != define.StatusRestarting {
		if s.restart() != nil {
			_ = os.Remove(s.restartLock()) // what was called off before the machine went down
		}
		return nil
	}
	st.Status = define.StatusExited
	return monitor.CancelRestart(s.restartLock())
}

// RestartByPolicy carries a restart out, if the container still waits for it after that start. predecessor leads to the
// monitor of that start, which calls it (see monitor.TellSuccessor); it stays the caller's.
func (r *Runtime) RestartByPolicy(ctx context.Context, id string, generation uint64, predecessor *os.File) error {
	fault.Point("restart: due")
	err := r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if c.status() != define.StatusRestarting || c.row.State.Generation != generation {
			return nil
		}
		// The monitor passes on what the service manager gave for the first start.
		given, err := readService(c.cfg.Process.SdNotify != "ignore")
		if err != nil {
			return err
		}
		return c.startAgain(ctx, given, predecessor)
	})
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil // removed meanwhile
	}
	return err
}

// mostAttempts is how many starts RestartByPolicy makes, see startAgain.
const mostAttempts = 2

// CallOffRestart leaves a container that waits for its restart after that start as a stopped one, or stops it if it
// was started meanwhile: its monitor was told to stop it. Who was carrying the restart out may have been told as well, with the start
// begun and given up: then it waits still.
func (r *Runtime) CallOffRestart(ctx context.Context, id string, generation uint64) error {
	started := false
	err := r.update(ctx, id, func(ctx context.Context, c *locked) error {
		attempts := c.row.State.Generation - generation // far beyond, if it is older
		if attempts > mostAttempts {
			return nil
		}
		started = c.status().Live() && attempts > 0
		if c.status() != define.StatusRestarting {
			return nil
		}
		return c.cancelRestart(ctx, true)
	})
	if err == nil && started {
		_, err = r.Stop(ctx, id, StopOptions{})
	}
	return err
}

// takeOverRestart carries out a restart whose monitor was killed, or calls it off where the monitor came that far.
func (c *locked) takeOverRestart(ctx context.Context) error {
	switch {
	case c.status() != define.StatusRestarting || c.rt.restartHeld(c.row.ID):
		return nil
	case monitor.RestartCalledOff(c.restartLock()):
		return c.cancelRestart(ctx, true)
	}
	return c.startAgain(ctx, service{}, nil)
}

// startAgain is a start by the policy. One that fails is the last, as with Docker: the container has ended
// then, and its error says why. But where the monitor was killed on the way, it was not the start that failed: it is
// tried once more, and left to the next command after that.
func (c *locked) startAgain(ctx context.Context, given service, predecessor *os.File) error {
	err := c.startOnceAgain(ctx, given, predecessor)
	if errors.Is(err, monitor.ErrEnded) && ctx.Err() == nil {
		err = c.startOnceAgain(ctx, given, predecessor)
	}
	return err
}

func (c *locked) startOnceAgain(ctx context.Context, given service, predecessor *os.File) error {
	due := c.row.State.RestartAt
	s := &start{locked: c, again: true, service: given, predecessor: predecessor}
	defer s.closeExtra()
	err := s.prepare(ctx)
	switch {
	case err == nil:
		c.emit(eventlog.Restart) // the program may start and end while we look
		if _, err = s.begun(ctx, nil); err == nil || !errors.Is(err, monitor.ErrEnded) {
			return err
		}
	case ctx.Err() != nil:
		return err // it was not the start that failed: somebody else carries it out
	}
	st := &c.row.State
	st.Status, st.RestartAt, st.Error = define.StatusExited, time.Time{}, err.Error()
	if errors.Is(err, monitor.ErrEnded) {
		st.Status, st.RestartAt = define.StatusRestarting, due
	}
	return errors.Join(err, c.save(context.WithoutCancel(ctx)))
}
