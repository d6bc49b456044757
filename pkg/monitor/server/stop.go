package server

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
)

// stopRequest is the monitor's own wish that the container ends.
type stopRequest struct {
	// by is a monitor.StopBy constant, or "" for an end that the restart policy is to act on; cause is
	// what the exit record says.
	by, cause string
	// kill sends SIGKILL at once.
	kill bool
	// again has the container started anew, whatever its policy.
	again bool
}

// stop ends the container as a client's stop would: the stop signal, and SIGKILL after the timeout.
// A container that is ending already is left to whoever ends it.
func (s *server) stop(r stopRequest) {
	if s.cfg.Stop == nil || s.ending != "" || s.phase > running || s.exited {
		return
	}
	if s.phase < starting {
		return // its owner has not let it run, and decides
	}
	s.ending, s.again = r.cause, r.again
	sig := syscall.Signal(s.cfg.Stop.Signal)
	if r.kill {
		sig = unix.SIGKILL
	}
	if r.by != "" {
		s.noteStop(monitor.Stop{
			Generation: s.cfg.Generation, By: r.by, Signal: int(sig), Timeout: s.cfg.Stop.Timeout, At: time.Now(),
		})
	}
	s.signal(sig)
	s.thaw()
	if sig != unix.SIGKILL {
		s.after(s.cfg.Stop.Timeout, func() {
			if s.phase == running {
				s.kill()
			}
		})
	}
}

// noteStop leaves the note, unless a client has left one about this start.
func (s *server) noteStop(stop monitor.Stop) {
	old, err := monitor.ReadStop(s.cfg.RunDir)
	if err == nil && old.Generation == stop.Generation {
		return
	}
	if err == nil || errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrCorrupt) {
		err = monitor.WriteStop(s.cfg.RunDir, stop)
	}
	if err != nil {
		complain("note the stop: " + err.Error())
	}
}

// catchStop makes SIGTERM and SIGINT stop the container: who ends the monitor, as a service manager
// does, means what it watches. SIGABRT, which comes when signs of life are missing, kills it.
// Source: systemd.service(5), "WatchdogSec".
func (s *server) catchStop() {
	s.stops = make(chan struct{}, 1)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, unix.SIGTERM, unix.SIGINT, unix.SIGABRT)
	go func() {
		for sig := range ch {
			select {
			case s.stops <- struct{}{}:
			default:
			}
			s.loop.post(func() {
				s.notify("STOPPING=1")
				s.stop(stopRequest{by: monitor.StopByStop, cause: monitor.CauseStop, kill: sig == unix.SIGABRT})
			})
		}
	}()
}
