package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/monitor"
)

// A script is a list of checks, each "SECONDS CODE": when it ended after the start, and its exit code. After
// each, the state is one word of want: status/streak, and the action if there is one.
var healthCases = []struct {
	name   string
	cfg    monitor.HealthConfig
	script string
	want   string
}{
	{"healthy at once", monitor.HealthConfig{}, "0 0", "healthy/0"},
	{"two failures are not three", monitor.HealthConfig{}, "0 1,1 1", "starting/1 starting/2"},
	{
		"unhealthy acts once",
		monitor.HealthConfig{OnFailure: "kill"},
		"0 1,1 1,2 1,3 1",
		"starting/1 starting/2 unhealthy/3:kill unhealthy/4",
	},
	{"recovers", monitor.HealthConfig{OnFailure: "stop"}, "0 1,1 2,2 3,3 0,4 1", "starting/1 starting/2 unhealthy/3:stop healthy/0 healthy/1"},
	{"a success between", monitor.HealthConfig{}, "0 1,1 1,2 0,3 1,4 1,5 1", "starting/1 starting/2 healthy/0 healthy/1 healthy/2 unhealthy/3"},
	{"acts again after a recovery", monitor.HealthConfig{Check: monitor.HealthCheck{Retries: 1}, OnFailure: "stop"}, "0 1,1 0,2 1", "unhealthy/1:stop healthy/0 unhealthy/1:stop"},
	{
		"failures in the start period do not count",
		monitor.HealthConfig{StartPeriod: 5 * time.Second, Check: monitor.HealthCheck{Retries: 1}},
		"1 1,4 1,5 1", "starting/0 starting/0 unhealthy/1",
	},
	{
		"a success ends the start period",
		monitor.HealthConfig{StartPeriod: time.Minute, Check: monitor.HealthCheck{Retries: 1}},
		"1 1,2 0,3 1", "starting/0 healthy/0 unhealthy/1",
	},
	{"a timeout fails", monitor.HealthConfig{Check: monitor.HealthCheck{Retries: 1}}, "1 -1", "unhealthy/1"},
	{
		"startup first",
		monitor.HealthConfig{Startup: &monitor.HealthCheck{}, Check: monitor.HealthCheck{Retries: 1}},
		"1 1,2 0,3 0,4 1",
		"starting/1 starting/0 healthy/0 unhealthy/1",
	},
	{
		"startup twice in a row",
		monitor.HealthConfig{Startup: &monitor.HealthCheck{Successes: 2}},
		"1 0,2 1,3 0,4 0,5 0",
		"starting/0 starting/1 starting/0 starting/0 healthy/0",
	},
	{
		"startup has a limit",
		monitor.HealthConfig{Startup: &monitor.HealthCheck{Retries: 2}},
		"1 1,2 1,3 1,4 1",
		"starting/1 starting/2:restart starting/3 starting/4:restart",
	},
}

func TestHealthState(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, c := range healthCases {
		t.Run(c.name, func(t *testing.T) {
			if c.cfg.Check.Retries == 0 {
				c.cfg.Check.Retries = 3
			}
			c.cfg.MaxLog, c.cfg.MaxOutput = 2, 3
			h := newHealthState(&c.cfg, start)
			var got []string
			checks := strings.Split(c.script, ",")
			for _, line := range checks {
				var at, code int
				if _, err := fmt.Sscan(line, &at, &code); err != nil {
					t.Fatal(err)
				}
				end := start.Add(time.Duration(at) * time.Second)
				act := h.note(checkOutcome{start: end.Add(-time.Second), end: end, code: code, output: []byte("outcome")})
				word := fmt.Sprintf("%s/%d", h.health.Status, h.health.FailingStreak)
				if act != monitor.HealthActNone && act != "" {
					word += ":" + act
				}
				got = append(got, word)
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Errorf("got  %s\nwant %s", g, c.want)
			}
			if n := len(h.health.Log); n != min(2, len(checks)) || h.health.Log[n-1].Output != "out" {
				t.Errorf("log %+v", h.health.Log)
			}
			last := h.health.Log[len(h.health.Log)-1]
			if _, err := time.Parse(time.RFC3339Nano, last.End); err != nil || !strings.HasSuffix(checks[len(checks)-1], fmt.Sprint(last.ExitCode)) {
				t.Errorf("the last check is written as %+v", last)
			}
		})
	}
}

func TestHealthPause(t *testing.T) {
	start := time.Unix(1000, 0)
	cfg := &monitor.HealthConfig{
		Check: monitor.HealthCheck{Interval: 30 * time.Second, Retries: 1}, StartPeriod: 10 * time.Second, StartInterval: 2 * time.Second,
		Startup: &monitor.HealthCheck{Interval: 5 * time.Second},
	}
	h := newHealthState(cfg, start)
	pause := func(after int, want time.Duration) {
		t.Helper()
		if got := h.pause(start.Add(time.Duration(after) * time.Second)); got != want {
			t.Errorf("after %d s the pause is %v, want %v", after, got, want)
		}
	}
	pause(1, 5*time.Second) // the startup check's
	h.note(checkOutcome{end: start.Add(2 * time.Second)})
	pause(2, 2*time.Second) // in the start period
	pause(11, 30*time.Second)
	h.note(checkOutcome{end: start.Add(3 * time.Second)})
	pause(4, 30*time.Second) // healthy
	cfg.Check.Interval = 0
	pause(4, 0)
}
