package server

import (
	"encoding/json"
	"time"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// frozenPause is how long a paused container's check is put off before it is looked at again.
const frozenPause = time.Second

// health runs a container's checks, one at a time, from the moment its program runs. All its methods
// are called in the loop; only the launch of a check is beside it.
type health struct {
	s     *server
	state *healthState
	// req is what every check's launch has in common: program and cgroup, kept open.
	req     launch.Request
	running *check
	// turn counts the waits for a next check, so that one that was overtaken does nothing.
	turn int
	// askers wait for the running check; next have come meanwhile, and wait for one of their own.
	askers, next []*client
	over         bool
	// complained says that a failure to write the record was told.
	complained bool
}

// prepareHealth keeps what the checks will need of the launch's request, whose files are closed soon.
func (s *server) prepareHealth(req *launch.Request) error {
	if s.cfg.Health == nil {
		return nil
	}
	h := &health{s: s}
	if err := h.keepRequest(req); err != nil {
		return failure("healthcheck", "", err)
	}
	s.health = h
	return nil
}

// startHealth begins with the checks: the program runs.
func (s *server) startHealth() {
	h := s.health
	if h == nil {
		return
	}
	h.state = newHealthState(s.cfg.Health, s.live.Released)
	h.write()
	s.healthChanged("", h.state.health.Status)
	if h.state.check().Interval > 0 {
		h.begin()
	}
}

// endHealth stops checking: the container has ended.
func (s *server) endHealth() { s.health.end("the container ended before it was done") }

// end stops checking; reason is what those hear who wait for a check. h may be nil.
func (h *health) end(reason string) {
	if h == nil || h.over {
		return
	}
	h.over = true
	h.turn++
	if h.running != nil {
		h.s.abandoned = h.running
		h.running.abandon()
	}
	for _, c := range append(h.askers, h.next...) {
		h.answer(c, monitor.CheckReport{Refused: reason})
	}
	h.askers, h.next = nil, nil
	h.closeRequest()
}

// healthChanged is called at each change of the health, "" being none. What observes a container's
// health hangs on here.
func (s *server) healthChanged(was, now string) {
	if e := s.cfg.Events; e != nil && was != "" {
		note(e, e.HealthEvent(now, time.Now()))
	}
	s.notifyHealth(now)
}

// askHealth is a client's wish for a check at once.
func (s *server) askHealth(c *client) {
	h := s.health
	if h == nil || h.state == nil || h.over {
		r := monitor.CheckReport{Refused: "the container has no healthcheck"}
		if h != nil {
			r.Refused = "the container does not run"
		}
		(&health{s: s}).answer(c, r)
		return
	}
	if h.running != nil {
		h.next = append(h.next, c)
		return
	}
	h.askers = append(h.askers, c)
	h.begin()
}

func (h *health) answer(c *client, r monitor.CheckReport) {
	data, err := json.Marshal(r)
	if err == nil {
		c.send(append([]byte{byte(monitor.KindChecked)}, data...))
	}
}

// begin runs the check whose turn it is. A paused container's would wait until it is resumed.
func (h *health) begin() {
	h.turn++
	if h.s.abandoned != nil {
		h.waitFor(abandonedPause)
		return
	}
	if h.s.frozen() {
		for _, c := range h.askers {
			h.answer(c, monitor.CheckReport{Refused: "the container is paused"})
		}
		h.askers = nil
		h.waitFor(frozenPause)
		return
	}
	c := &check{h: h, cmd: h.state.check(), began: time.Now(), out: -1}
	h.running = c
	c.run()
}

// abandonedPause is how long a check waits at a time for the end of one that was taken back: of two commands of another
// runtime each would reap, and kill, what is the other's.
const abandonedPause = 10 * time.Millisecond

// waitFor begins the next check in a while, if none was begun before.
func (h *health) waitFor(pause time.Duration) {
	if pause <= 0 {
		return
	}
	h.turn++
	turn := h.turn
	h.s.after(pause, func() {
		if h.turn == turn && !h.over {
			h.begin()
		}
	})
}

// done takes the outcome of the running check.
func (h *health) done(o checkOutcome) {
	h.running = nil
	was, warming := h.state.health.Status, h.state.warming
	act := h.state.note(o)
	h.write()
	now := h.state.health.Status
	for _, c := range h.askers {
		h.answer(c, monitor.CheckReport{Status: now, Failed: o.code != 0})
	}
	h.askers, h.next = h.next, nil
	if now != was {
		h.s.healthChanged(was, now)
	}
	h.s.healthAct(act)
	if len(h.askers) > 0 || warming && !h.state.warming && h.state.check().Interval > 0 {
		h.begin() // somebody asks, or the regular checks begin
		return
	}
	h.waitFor(h.state.pause(o.end))
}

// write leaves the record. One that cannot be written is tried again after the next check.
func (h *health) write() {
	data, err := json.Marshal(h.state.health)
	if err == nil {
		err = atomicfile.Write(h.s.cfg.Health.Path, data, 0o600, atomicfile.Volatile)
	}
	if err != nil && !h.complained {
		h.complained = true
		complain("write the health record: " + err.Error())
	}
}

// healthAct does what is to be done about a container that is unhealthy.
func (s *server) healthAct(act string) {
	switch act {
	case monitor.HealthActKill:
		s.stop(stopRequest{cause: monitor.CauseHealth, kill: true}) // the restart policy decides what follows
	case monitor.HealthActRestart:
		s.stop(stopRequest{cause: monitor.CauseHealth, again: true})
	case monitor.HealthActStop:
		s.stop(stopRequest{by: monitor.StopByHealth, cause: monitor.CauseHealth})
	default: // none
	}
}
