package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// fixture starts monitors with the fake init.
type fixture struct {
	t    *testing.T
	dir  string
	opts monitor.SpawnOptions
	plan fakePlan
}

func newFixture(t *testing.T, args ...string) *fixture {
	t.Helper()
	dir := t.TempDir()
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exe.Close() })
	return &fixture{t: t, dir: dir, plan: fakePlan{Args: args}, opts: monitor.SpawnOptions{
		Program: exe, Args: []string{"manager-monitor", "monitor"}, Env: []string{"PATH=" + os.Getenv("PATH")},
		Config: monitor.Config{
			ID: "test", RunDir: dir, Generation: 7,
			Log: monitor.LogConfig{Driver: monitor.LogK8sFile, Path: filepath.Join(dir, "ctr.log")},
		},
	}}
}

func shell(t *testing.T, script string) *fixture { return newFixture(t, "sh", "-c", script) }

func (f *fixture) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	f.t.Cleanup(cancel)
	return ctx
}

func (f *fixture) spawn() *monitor.Session {
	f.t.Helper()
	plan, err := json.Marshal(f.plan)
	if err != nil {
		f.t.Fatal(err)
	}
	f.opts.Launch.Plan = plan
	f.opts.Config.Terminal = f.plan.Terminal
	s, err := monitor.Spawn(f.ctx(), f.opts)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.Release(); f.killLeft() })
	return s
}

// killLeft ends what a failed test left running.
func (f *fixture) killLeft() {
	f.t.Helper()
	if live, err := monitor.ReadLive(f.dir); err == nil {
		if start, err := startTime(live.PID); err == nil && start == live.StartTime {
			_ = syscall.Kill(live.PID, syscall.SIGKILL)
		}
	}
	f.eventuallyDead()
}

func (f *fixture) ready() *monitor.Session {
	f.t.Helper()
	s := f.spawn()
	if _, err := s.Ready(f.ctx()); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fixture) start() *monitor.Session {
	f.t.Helper()
	s := f.ready()
	if _, err := s.Start(f.ctx()); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fixture) wait(s *monitor.Session) monitor.ExitRecord {
	f.t.Helper()
	e, err := s.Wait(f.ctx())
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

func (f *fixture) eventuallyDead() {
	f.t.Helper()
	f.eventually("the monitor lives", func() bool {
		alive, err := monitor.Alive(f.dir)
		return err == nil && !alive
	})
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("still: %s", what)
		}
	}
}

// output is a writer for several goroutines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func TestForeground(t *testing.T) {
	f := shell(t, "echo out; echo err >&2; exit 3")
	s := f.ready()
	live, err := monitor.ReadLive(f.dir)
	if err != nil || !live.Released.IsZero() || live.Generation != 7 {
		t.Fatalf("live before the start: %+v, %v", live, err)
	}
	var out, errs output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &out, Stderr: &errs, Lossless: true})
	if err != nil {
		t.Fatal(err)
	}
	started, err := s.Start(f.ctx())
	if err != nil || started.Released.IsZero() || started.PID != live.PID {
		t.Fatalf("start: %+v, %v", started, err)
	}
	res, err := a.Wait(f.ctx())
	if err != nil || res.Exit == nil || res.Exit.Code != 3 || res.Exit.Cause != monitor.CauseExit {
		t.Fatalf("attachment ended with %+v, %v", res, err)
	}
	if out.String() != "out\n" || errs.String() != "err\n" {
		t.Errorf("output %q, %q", out.String(), errs.String())
	}
	// The record and the free lock come before the message.
	rec, err := monitor.ReadExit(f.dir)
	if err != nil || rec.Code != 3 || rec.Generation != 7 {
		t.Errorf("record %+v, %v", rec, err)
	}
	if alive, err := monitor.Alive(f.dir); alive || err != nil {
		t.Errorf("alive after the exit message: %v, %v", alive, err)
	}
	if e := f.wait(s); e.StartedAt.IsZero() || e.FinishedAt.Before(e.StartedAt) {
		t.Errorf("times %+v", e)
	}
	if err := s.Done(); err != nil {
		t.Error(err)
	}
}

func TestStartFailures(t *testing.T) {
	for _, tt := range []struct {
		name string
		plan fakePlan
		code int
	}{
		{"not there", fakePlan{Args: []string{"/no/such/program"}}, 127},
		{"not executable", fakePlan{Args: []string{"/etc/passwd"}}, 126},
		{"not ready", fakePlan{FailReady: true}, 125},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.plan = tt.plan
			s := f.spawn()
			_, err := s.Start(f.ctx())
			var fail *launch.Failure
			if !errors.As(err, &fail) || fail.ExitCode() != tt.code {
				t.Fatalf("start: %v", err)
			}
			e := f.wait(s)
			if e.Cause != monitor.CauseStartFailed || e.Code != tt.code || e.Failure == nil || !e.StartedAt.IsZero() {
				t.Errorf("record %+v", e)
			}
			f.eventuallyDead()
		})
	}
}

func TestSignalExit(t *testing.T) {
	f := shell(t, "kill -TERM $$; sleep 9")
	e := f.wait(f.start())
	if e.Code != 143 || e.Signal != int(syscall.SIGTERM) || e.Cause != monitor.CauseSignal {
		t.Errorf("record %+v", e)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	for _, how := range []string{"abort", "release"} {
		t.Run(how, func(t *testing.T) {
			f := shell(t, "echo must not run > "+filepath.Join(t.TempDir(), "x"))
			s := f.spawn()
			live, err := s.Ready(f.ctx())
			if err != nil {
				t.Fatal(err)
			}
			if how == "abort" {
				if err := s.Abort(f.ctx()); err != nil {
					t.Fatal(err)
				}
			} else {
				s.Release()
				f.eventuallyDead()
			}
			if err := syscall.Kill(live.PID, 0); err != syscall.ESRCH {
				t.Errorf("init: %v", err)
			}
			for _, read := range []func() error{
				func() error { _, err := monitor.ReadLive(f.dir); return err },
				func() error { _, err := monitor.ReadExit(f.dir); return err },
			} {
				if err := read(); !errors.Is(err, errdefs.ErrNotFound) {
					t.Errorf("left behind: %v", err)
				}
			}
		})
	}
}

func TestKilledInitEndsAtOnce(t *testing.T) {
	f := shell(t, "read x")
	f.opts.Config.Stdin = true
	s := f.start()
	s.Release()
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := syscall.Kill(live.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.eventuallyDead()
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("the end took %v", d)
	}
}
