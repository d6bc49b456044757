package server

import (
	"errors"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

// update is a client's wish to change what the monitor was told. What it says lies in the run directory,
// since it may be longer than a packet.
func (s *server) update(c *client) {
	answer := []byte{byte(monitor.KindUpdated)}
	if err := s.carryUpdateOut(); err != nil {
		answer = append(answer, err.Error()...)
	}
	c.send(answer)
	debug.FreeOSMemory() // a plan was read, which may be large
}

func (s *server) carryUpdateOut() error {
	if s.phase != running || s.exited {
		return errors.New("the container does not run")
	}
	u, err := monitor.ReadUpdate(s.cfg.RunDir)
	if err != nil {
		return err
	}
	if u.Generation != s.cfg.Generation {
		return errors.New("the container was started anew meanwhile")
	}
	if u.Health != nil {
		if err := s.replaceHealth(u.Health); err != nil {
			return err
		}
	}
	s.cfg.Restart = u.Restart
	return nil
}

// replaceHealth ends the checks and begins others, or none. After an error they go on as before.
func (s *server) replaceHealth(u *monitor.HealthUpdate) error {
	old, was := s.health, ""
	if old != nil {
		was = old.state.health.Status
	}
	var h *health
	if u.Config != nil {
		h = &health{s: s}
		if err := h.openRequest(&u.Place); err != nil {
			return err
		}
	}
	old.end("the healthcheck was changed before it was done")
	if old != nil && (h == nil || u.Config.Path != s.cfg.Health.Path) {
		_ = os.Remove(s.cfg.Health.Path)
	}
	s.health, s.cfg.Health = h, u.Config
	if h == nil {
		return nil
	}
	if s.cfg.Stop == nil && u.Stop != nil {
		s.cfg.Stop = u.Stop
		s.catchStop()
	}
	h.state = newHealthState(u.Config, s.live.Released)
	if u.Keep && old != nil {
		h.state.keep(old.state)
	}
	h.write()
	if now := h.state.health.Status; now != was {
		s.healthChanged(was, now)
	}
	switch interval := h.state.check().Interval; {
	case interval <= 0:
	case u.Keep:
		h.waitFor(interval)
	default:
		h.begin()
	}
	return nil
}

// openRequest opens what the checks need of a launch: this program, and the container's cgroup.
func (h *health) openRequest(p *monitor.Place) (err error) {
	defer func() {
		if err != nil {
			closeRequest(&h.req)
		}
	}()
	h.req.Detached = true
	if h.req.Program, err = os.Open("/proc/self/exe"); err != nil {
		return err
	}
	if p.Dir != "" {
		if h.req.Cgroup, err = os.OpenFile(p.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0); err != nil {
			return err
		}
	}
	for _, path := range p.Tasks {
		f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		h.req.CgroupTasks = append(h.req.CgroupTasks, f)
	}
	return nil
}
