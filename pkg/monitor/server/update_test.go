package server

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
)

// health is a healthcheck for an update of the fixture's monitor.
func (f *fixture) health(script string) *monitor.HealthConfig {
	h := &monitor.HealthConfig{
		Check: monitor.HealthCheck{Interval: 10 * time.Millisecond, Timeout: time.Minute, Retries: 2},
		Path:  filepath.Join(f.dir, monitor.HealthFile), MaxLog: 5, MaxOutput: 500,
	}
	h.Check.Plan = shellPlan(f.t, script)
	return h
}

func (f *fixture) tell(h *monitor.HealthUpdate, r *monitor.Restart) {
	f.t.Helper()
	if err := monitor.Tell(f.ctx(), f.dir, monitor.Update{Generation: f.opts.Config.Generation, Health: h, Restart: r}); err != nil {
		f.t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(f.dir, monitor.UpdateFile)); !os.IsNotExist(err) {
		f.t.Errorf("the note: %v", err)
	}
}

// A monitor that was started without a healthcheck is given one, another pause for it, and none again.
func TestHealthIsReplaced(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	f.start()
	f.tell(&monitor.HealthUpdate{Config: f.health("false"), Stop: &monitor.StopConfig{Signal: int(syscall.SIGTERM)}}, nil)
	f.eventuallyHealth(monitor.HealthUnhealthy)
	same := f.health("false")
	same.Check.Interval, same.MaxLog = time.Hour, 1
	f.tell(&monitor.HealthUpdate{Config: same, Keep: true}, nil)
	if h := f.eventuallyHealth(monitor.HealthUnhealthy); len(h.Log) != 1 || h.FailingStreak < 2 {
		t.Errorf("what was known is now %+v", h)
	}
	moved := f.health("true")
	moved.Path = filepath.Join(t.TempDir(), "elsewhere")
	f.tell(&monitor.HealthUpdate{Config: moved}, nil)
	f.eventually("no record elsewhere", func() bool {
		h, err := monitor.ReadHealth(moved.Path)
		return err == nil && h.Status == monitor.HealthHealthy
	})
	if _, err := monitor.ReadHealth(filepath.Join(f.dir, monitor.HealthFile)); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the former record: %v", err)
	}
	f.tell(&monitor.HealthUpdate{}, nil)
	if _, err := monitor.ReadHealth(moved.Path); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the record of no healthcheck: %v", err)
	}
	if _, err := monitor.CheckNow(f.ctx(), f.dir); !errors.Is(err, errdefs.ErrState) {
		t.Errorf("a check of no healthcheck: %v", err)
	}
}

// An action that is asked for when the container is unhealthy already is done after the next failure: here
// a restart, which the policy has not.
func TestHealthActsOnUpdate(t *testing.T) {
	f := newFixture(t, "sleep", "60").checked("false", nil)
	s := f.start()
	f.eventuallyHealth(monitor.HealthUnhealthy)
	act := f.health("false")
	act.OnFailure = monitor.HealthActRestart
	f.tell(&monitor.HealthUpdate{Config: act, Keep: true}, &monitor.Restart{Lock: filepath.Join(f.dir, "restart.lock"), Count: 3})
	if e := f.wait(s); e.Cause != monitor.CauseHealth || !e.Again || e.Restart == nil || e.Restart.Count != 4 {
		t.Errorf("record %+v, %+v", e, e.Restart)
	}
}

// What is meant for another start, or what cannot be carried out, changes nothing.
func TestUpdateIsRefused(t *testing.T) {
	f := newFixture(t, "sleep", "60").checked("true", nil)
	s := f.start()
	f.eventuallyHealth(monitor.HealthHealthy)
	for name, u := range map[string]monitor.Update{
		"another start": {Generation: f.opts.Config.Generation + 1, Health: &monitor.HealthUpdate{}, Restart: &monitor.Restart{Policy: monitor.RestartAlways}},
		"no cgroup": {
			Generation: f.opts.Config.Generation, Restart: &monitor.Restart{Policy: monitor.RestartAlways},
			Health: &monitor.HealthUpdate{Config: f.health("false"), Place: monitor.Place{Tasks: []string{"/no/such/tasks"}}},
		},
	} {
		if err := monitor.Tell(f.ctx(), f.dir, u); !errors.Is(err, errdefs.ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.eventuallyHealth(monitor.HealthHealthy)
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(live.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := f.wait(s); e.Restart != nil {
		t.Errorf("a refused policy restarts: %+v", e)
	}
	err = monitor.Tell(f.ctx(), f.dir, monitor.Update{Generation: f.opts.Config.Generation})
	if !errors.Is(err, errdefs.ErrUnavailable) && !errors.Is(err, errdefs.ErrState) {
		t.Errorf("after the end: %v", err)
	}
}
