package server

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/monitor"
)

// restart is what follows the end by the container's policy. The monitor only waits: the start is the
// clean-up command's, which makes a new monitor for it.
type restart struct {
	// next is nil when nothing follows.
	next *monitor.NextStart
	held *monitor.HeldRestart
	// due says that the time has come, so that a client who has got everything and does not leave is not
	// waited for any more.
	due bool
}

// planRestart decides before the exit record is written, so that whoever reads of a restart finds it held.
func (s *server) planRestart(e *monitor.ExitRecord) {
	if s.cfg.Restart == nil {
		return
	}
	e.Restart = s.cfg.Restart.After(*e, e.Stop != nil)
	if e.Restart == nil {
		return
	}
	s.restart.next = e.Restart
	var err error
	if s.restart.held, err = monitor.HoldRestart(s.cfg.Restart.Lock); err != nil {
		// Somebody may be faster; the generation keeps it from being done twice.
		complain("hold the restart: " + err.Error())
	}
	s.after(time.Until(e.Restart.At), func() {
		s.restart.due = true
		s.flushed()
	})
}

// carryOut waits for the restart's time and has it carried out, unless it is called off meanwhile: by a command,
// which ends this process, or by who would stop the container with a signal. Then it ends as if stopped on purpose.
func (s *server) carryOut() {
	r := &s.restart
	if r.next == nil {
		return
	}
	if s.stops == nil {
		s.catchStop()
	}
	stopped := r.held != nil && !r.held.Idle() || s.stoppedBefore(r.next.At)
	if !stopped {
		s.succeed()
		stopped = s.stoppedBefore(time.Time{}) // meanwhile: the command may have been ended too
	}
	if !stopped {
		return
	}
	s.code = 0
	if r.held != nil {
		if !r.held.Stands() {
			return // who called it off has written that down
		}
		// The command may be ended before it can, since a service manager ends all processes of a service, those too that
		// are made meanwhile.
		if err := r.held.CallOff(); err != nil {
			complain("call the restart off: " + err.Error())
		}
		fault.Point("monitor: restart called off")
	}
	r.free()
	s.callCleanup("--call-off")
}

// stoppedBefore waits until then, or for a signal that stops the container.
func (s *server) stoppedBefore(then time.Time) bool {
	for {
		select {
		case <-s.stops:
			return true
		default:
		}
		wait := time.Until(then)
		if wait <= 0 {
			return false
		}
		select {
		case sig := <-s.stops:
			s.stops <- sig
		case <-time.After(wait):
		}
	}
}

// succeed has the container started again, and returns when that is done. What this monitor has, the next one gets before
// its program runs: the restart, of which there may be another soon, and the place as the service's main process. That
// comes from here because the manager may listen to nobody but the main process. Source: sd_notify(3), "MAINPID".
func (s *server) succeed() {
	ours, theirs, err := monitor.NewSuccession()
	if err != nil {
		complain("restart: " + err.Error())
		return
	}
	defer ours.Close()
	pidfd := s.startCleanup(theirs, "--restart")
	_ = theirs.Close()
	if pidfd < 0 {
		return
	}
	_ = unix.Close(pidfd)
	for {
		pid := ours.Successor()
		if pid == 0 {
			return // without one, the service ends with this process
		}
		s.restart.free()
		if s.notifier != nil {
			s.notifier.tell("MAINPID=" + string(itoa(pid)))
		}
		ours.Answer()
	}
}

// free gives the restart up, once.
func (r *restart) free() {
	if r.held != nil {
		r.held.Free()
		r.held = nil
	}
}
