package server

import (
	"os/signal"
	"time"

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
	stop, err := monitor.ReadStop(s.cfg.RunDir)
	e.Restart = s.cfg.Restart.After(*e, err == nil && stop.Generation == s.cfg.Generation)
	if e.Restart == nil {
		return
	}
	s.restart.next = e.Restart
	if s.restart.held, err = monitor.HoldRestart(s.cfg.Restart.Lock); err != nil {
		// Somebody may be faster; the generation keeps it from being done twice.
		complain("hold the restart: " + err.Error())
	}
	s.after(time.Until(e.Restart.At), func() {
		s.restart.due = true
		s.flushed()
	})
}

// carryOut waits for the restart's time and has it carried out, unless it is called off meanwhile.
func (s *server) carryOut() {
	r := &s.restart
	if r.next == nil || r.held != nil && !r.held.Idle() {
		return
	}
	time.Sleep(time.Until(r.next.At))
	if r.held != nil {
		r.held.Free()
	}
	signal.Reset()
	s.callCleanup("--restart")
}
