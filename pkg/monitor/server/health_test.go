package server

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
)

// checked gives the fixture a healthcheck that is a shell script on the host.
func (f *fixture) checked(script string, change func(*monitor.HealthConfig)) *fixture {
	f.t.Helper()
	h := &monitor.HealthConfig{
		Check: monitor.HealthCheck{Interval: 10 * time.Millisecond, Timeout: time.Minute, Retries: 2},
		Path:  filepath.Join(f.dir, monitor.HealthFile), MaxLog: 5, MaxOutput: 500,
	}
	h.Check.Plan = shellPlan(f.t, script)
	if change != nil {
		change(h)
	}
	f.opts.Config.Health = h
	f.opts.Config.Stop = &monitor.StopConfig{Signal: int(syscall.SIGTERM), Timeout: time.Minute}
	return f
}

func shellPlan(t *testing.T, script string) []byte {
	t.Helper()
	plan, err := json.Marshal(fakePlan{Args: []string{"sh", "-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func (f *fixture) eventuallyHealth(want string) monitor.Health {
	f.t.Helper()
	var h monitor.Health
	f.eventually("not "+want, func() bool {
		var err error
		h, err = monitor.ReadHealth(filepath.Join(f.dir, monitor.HealthFile))
		return err == nil && h.Status == want
	})
	return h
}

func TestHealthChanges(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	ok := filepath.Join(f.dir, "ok")
	f.checked("echo out; echo err >&2; test -e "+ok, nil)
	f.start()
	h := f.eventuallyHealth(monitor.HealthUnhealthy)
	if h.FailingStreak < 2 || len(h.Log) < 2 || h.Log[1].ExitCode != 1 || h.Log[1].Output != "out\nerr\n" {
		t.Errorf("record %+v", h)
	}
	if err := os.WriteFile(ok, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if h := f.eventuallyHealth(monitor.HealthHealthy); h.FailingStreak != 0 || len(h.Log) > 5 {
		t.Errorf("record %+v", h)
	}
}

// An unhealthy container is ended as it was asked for, with its own cause.
func TestHealthActs(t *testing.T) {
	for act, code := range map[string]int{monitor.HealthActKill: 137, monitor.HealthActStop: 4} {
		t.Run(act, func(t *testing.T) {
			f := shell(t, "trap 'exit 4' TERM; while :; do sleep 0.01; done").checked("sleep 0.3; false", func(h *monitor.HealthConfig) { h.OnFailure = act })
			s := f.start()
			rec := f.wait(s)
			if rec.Code != code || rec.Cause != monitor.CauseHealth {
				t.Errorf("record %+v", rec)
			}
			if stop, err := monitor.ReadStop(f.dir); act == monitor.HealthActKill && !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("a kill, after which the policy decides, is noted: %+v, %v", stop, err)
			} else if act == monitor.HealthActStop && (err != nil || stop.By != monitor.StopByHealth || stop.Generation != 7) {
				t.Errorf("note %+v, %v", stop, err)
			}
		})
	}
}

// A check that takes too long is killed with what it started, and its output's beginning is kept.
func TestHealthTimeout(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	pid := filepath.Join(f.dir, "pid")
	f.checked("echo begun; sleep 50 & echo $! >"+pid+"; wait", func(h *monitor.HealthConfig) {
		h.Check.Timeout, h.Check.Retries = 300*time.Millisecond, 1
	})
	f.start()
	h := f.eventuallyHealth(monitor.HealthUnhealthy)
	if r := h.Log[0]; r.ExitCode != -1 || !strings.HasSuffix(r.Output, ": begun\n") {
		t.Errorf("result %+v", r)
	}
	// The next check may have begun: its process is another.
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	f.eventually("the check's child lives", func() bool {
		b, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/cmdline")
		return err != nil || len(b) == 0
	})
}

// Output without end is read, and all but its beginning thrown away.
func TestHealthEndlessOutput(t *testing.T) {
	f := newFixture(t, "sleep", "60").checked("head -c 3000000 /dev/zero | tr '\\0' x; false", func(h *monitor.HealthConfig) { h.Check.Retries = 1 })
	f.start()
	if h := f.eventuallyHealth(monitor.HealthUnhealthy); h.Log[0].Output != strings.Repeat("x", 500) {
		t.Errorf("%d bytes are kept", len(h.Log[0].Output))
	}
}

// A command that cannot be executed is a failure with the reason.
func TestHealthNoProgram(t *testing.T) {
	f := newFixture(t, "sleep", "60").checked("", func(h *monitor.HealthConfig) {
		h.Check.Retries = 1
		h.Check.Plan, _ = json.Marshal(fakePlan{Args: []string{"/no/such/program"}})
	})
	f.start()
	if h := f.eventuallyHealth(monitor.HealthUnhealthy); h.Log[0].ExitCode != 127 || !strings.Contains(h.Log[0].Output, "no such file") {
		t.Errorf("result %+v", h.Log[0])
	}
}

func TestHealthStartup(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	ok := filepath.Join(f.dir, "ok")
	f.checked("echo regular", func(h *monitor.HealthConfig) {
		h.Startup = &monitor.HealthCheck{Interval: 10 * time.Millisecond, Timeout: time.Minute}
		h.Startup.Plan = shellPlan(t, "echo startup; test -e "+ok)
	})
	f.start()
	f.eventually("no startup check", func() bool {
		h, err := monitor.ReadHealth(filepath.Join(f.dir, monitor.HealthFile))
		return err == nil && h.FailingStreak > 3 && h.Status == monitor.HealthStarting && h.Log[0].Output == "startup\n"
	})
	if err := os.WriteFile(ok, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.eventuallyHealth(monitor.HealthHealthy)
	f.eventually("no regular check", func() bool {
		h, err := monitor.ReadHealth(filepath.Join(f.dir, monitor.HealthFile))
		return err == nil && h.Log[len(h.Log)-1].Output == "regular\n"
	})
}

// Checks that are asked for run also where none runs by itself, each asker with one of its own.
func TestHealthAsked(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	count := filepath.Join(f.dir, "count")
	f.checked("echo x >>"+count+"; test $(grep -c x "+count+") -gt 1", func(h *monitor.HealthConfig) { h.Check.Interval = 0 })
	f.start()
	for i, failed := range []bool{true, false, false} {
		r, err := monitor.CheckNow(f.ctx(), f.dir)
		if err != nil || r.Failed != failed || !failed && r.Status != monitor.HealthHealthy {
			t.Errorf("check %d: %+v, %v", i, r, err)
		}
	}
	if b, err := os.ReadFile(count); err != nil || len(b) != 6 {
		t.Errorf("%q, %v", b, err)
	}
	other := newFixture(t, "sleep", "60")
	other.start()
	if _, err := monitor.CheckNow(f.ctx(), other.dir); !errors.Is(err, errdefs.ErrState) {
		t.Errorf("without a healthcheck: %v", err)
	}
}

// A container that ends during a check answers who waits for it, and the check counts for nothing.
func TestHealthEndsWithContainer(t *testing.T) {
	f := newFixture(t, "sh", "-c", "while ! test -e $0/begun; do sleep 0.01; done; exit 3", "")
	f.plan.Args[3] = f.dir
	f.checked("touch "+f.dir+"/begun; sleep 50", func(h *monitor.HealthConfig) { h.Check.Interval = 0 })
	s := f.start()
	_, err := monitor.CheckNow(f.ctx(), f.dir)
	if err == nil {
		t.Error("a check that the container did not survive has an outcome")
	}
	if rec := f.wait(s); rec.Code != 3 || rec.Cause != monitor.CauseExit {
		t.Errorf("record %+v", rec)
	}
	if h, err := monitor.ReadHealth(filepath.Join(f.dir, monitor.HealthFile)); err != nil || len(h.Log) != 0 || h.Status != monitor.HealthStarting {
		t.Errorf("health %+v, %v", h, err)
	}
}

// SIGTERM to the monitor stops the container; without a StopConfig it is ignored, as for an exec session.
func TestSignalToMonitorStops(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			f := shell(t, "trap 'exit 9' USR1; echo up; while :; do sleep 0.01; done")
			f.opts.Config.Stop = &monitor.StopConfig{Signal: int(syscall.SIGUSR1), Timeout: time.Minute}
			s := f.start()
			f.eventually("not up", func() bool { return strings.Contains(f.logText("stdout"), "up") })
			f.signalMonitor(sig)
			rec := f.wait(s)
			stop, err := monitor.ReadStop(f.dir)
			if rec.Code != 9 || rec.Cause != monitor.CauseStop || err != nil || stop.By != monitor.StopByStop || stop.Signal != int(syscall.SIGUSR1) {
				t.Errorf("record %+v, note %+v, %v", rec, stop, err)
			}
		})
	}
	t.Run("SIGABRT", func(t *testing.T) {
		f := shell(t, "trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done")
		f.opts.Config.Stop = &monitor.StopConfig{Signal: int(syscall.SIGTERM), Timeout: time.Minute}
		s := f.start()
		f.eventually("not up", func() bool { return strings.Contains(f.logText("stdout"), "up") })
		f.signalMonitor(syscall.SIGABRT)
		if rec := f.wait(s); rec.Code != 137 || rec.Cause != monitor.CauseStop {
			t.Errorf("record %+v", rec)
		}
	})
	t.Run("killed in the end", func(t *testing.T) {
		f := shell(t, "trap '' TERM; echo up; while :; do sleep 0.01; done")
		f.opts.Config.Stop = &monitor.StopConfig{Signal: int(syscall.SIGTERM), Timeout: 100 * time.Millisecond}
		s := f.start()
		f.eventually("not up", func() bool { return strings.Contains(f.logText("stdout"), "up") })
		f.signalMonitor(syscall.SIGTERM)
		if rec := f.wait(s); rec.Code != 137 || rec.Cause != monitor.CauseStop {
			t.Errorf("record %+v", rec)
		}
	})
}

func (f *fixture) signalMonitor(sig syscall.Signal) {
	f.t.Helper()
	live, err := monitor.ReadLive(f.dir)
	if err == nil {
		err = syscall.Kill(live.MonitorPID, sig)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}
