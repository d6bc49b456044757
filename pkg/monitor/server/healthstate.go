package server

import (
	"time"

	"github.com/manager-project/manager/pkg/monitor"
)

// healthState decides what the checks of a container mean. It starts nothing and knows no clock but
// the times that it is told.
//
//	starting    from the start until a check succeeds, or Retries in a row failed after StartPeriod
//	healthy     a check succeeded, and fewer than Retries in a row failed since
//	unhealthy   Retries in a row failed
//
// With a startup check, that one runs first and the container is starting until it has succeeded
// often enough; the regular check comes after it.
type healthState struct {
	cfg    *monitor.HealthConfig
	health monitor.Health
	// started is when the program began to run.
	started time.Time
	// warming says that the startup check has still to succeed; passes and misses count its results.
	warming        bool
	passes, misses uint
	// acted says that OnFailure was carried out for this time of being unhealthy.
	acted bool
}

func newHealthState(cfg *monitor.HealthConfig, started time.Time) *healthState {
	return &healthState{
		cfg: cfg, started: started, warming: cfg.Startup != nil,
		health: monitor.Health{Status: monitor.HealthStarting},
	}
}

// keep takes over what old knew, of the same commands. An action that has changed is still to be done.
func (h *healthState) keep(old *healthState) {
	h.health = old.health
	h.passes, h.misses = old.passes, old.misses
	h.warming = old.warming && h.cfg.Startup != nil
	h.acted = old.acted && h.cfg.OnFailure == old.cfg.OnFailure
	h.trim()
}

// check is the one whose turn it is.
func (h *healthState) check() *monitor.HealthCheck {
	if h.warming {
		return h.cfg.Startup
	}
	return &h.cfg.Check
}

// young says that failures do not count yet.
func (h *healthState) young(now time.Time) bool {
	return h.health.Status == monitor.HealthStarting && now.Sub(h.started) < h.cfg.StartPeriod
}

// pause is how long to wait for the next check after one that ended now; 0 waits for someone to ask.
func (h *healthState) pause(now time.Time) time.Duration {
	interval := h.check().Interval
	if interval > 0 && h.cfg.StartInterval > 0 && !h.warming && h.young(now) {
		return h.cfg.StartInterval
	}
	return interval
}

// checkOutcome is how one check went.
type checkOutcome struct {
	start, end time.Time
	code       int
	output     []byte
}

// note counts an outcome of check() and returns what is to be done about it, a HealthAct constant.
func (h *healthState) note(o checkOutcome) string {
	h.log(o)
	if h.warming {
		return h.noteStartup(o.code == 0)
	}
	if o.code == 0 {
		h.health.Status, h.health.FailingStreak, h.acted = monitor.HealthHealthy, 0, false
		return monitor.HealthActNone
	}
	if h.young(o.end) {
		return monitor.HealthActNone
	}
	h.health.FailingStreak++
	if uint(h.health.FailingStreak) < h.cfg.Check.Retries {
		return monitor.HealthActNone
	}
	h.health.Status = monitor.HealthUnhealthy
	if h.acted {
		return monitor.HealthActNone
	}
	h.acted = true
	return h.cfg.OnFailure
}

// noteStartup counts a startup check. One that fails too often says that the start itself went wrong.
func (h *healthState) noteStartup(good bool) string {
	if good {
		h.passes++
		h.health.FailingStreak = 0
		h.warming = h.passes < max(h.cfg.Startup.Successes, 1)
		return monitor.HealthActNone
	}
	h.passes = 0
	h.misses++
	h.health.FailingStreak++
	if most := h.cfg.Startup.Retries; most == 0 || h.misses < most {
		return monitor.HealthActNone
	}
	h.misses = 0
	return monitor.HealthActRestart
}

// log writes an outcome down, the oldest giving way.
func (h *healthState) log(o checkOutcome) {
	h.health.Log = append(h.health.Log, monitor.HealthResult{
		Start: o.start.Format(time.RFC3339Nano), End: o.end.Format(time.RFC3339Nano), ExitCode: o.code,
		Output: string(o.output[:min(len(o.output), h.cfg.MaxOutput)]),
	})
	h.trim()
}

func (h *healthState) trim() {
	if extra := len(h.health.Log) - h.cfg.MaxLog; extra > 0 {
		h.health.Log = append([]monitor.HealthResult(nil), h.health.Log[extra:]...)
	}
}
