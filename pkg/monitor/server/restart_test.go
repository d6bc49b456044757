package server

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/monitor"
)

// restarted is a fixture with a policy, whose clean-up command writes its last word into a file.
func restarted(t *testing.T, r monitor.Restart, script string) (*fixture, string) {
	t.Helper()
	f := shell(t, script)
	log := filepath.Join(t.TempDir(), "cleanup")
	r.Lock = filepath.Join(t.TempDir(), "restart.lock")
	f.opts.Config.Restart = &r
	f.opts.Config.CleanupCommand = []string{"/bin/sh", "-c", `for word; do :; done; echo "$word" >> ` + log, "sh", "clean"}
	f.opts.Config.CleanupEnv = []string{"PATH=" + os.Getenv("PATH")}
	return f, log
}

func (f *fixture) eventuallySays(log, want string) {
	f.t.Helper()
	f.eventually("no "+want, func() bool {
		b, _ := os.ReadFile(log)
		words := strings.Fields(string(b))
		slices.Sort(words) // the first command may be slow
		return strings.Join(words, " ") == want
	})
}

// A monitor whose container is to be restarted says so, has it cleaned up, waits, and calls once more.
func TestRestartIsCarriedOut(t *testing.T) {
	f, log := restarted(t, monitor.Restart{Policy: monitor.RestartOnFailure, Count: 2, Wait: time.Second}, "exit 3")
	s := f.start()
	e := f.wait(s)
	if e.Restart == nil || e.Restart.Count != 3 || e.Restart.Wait != 2*time.Second || e.Restart.At.Before(e.FinishedAt) {
		t.Fatalf("record %+v, %+v", e, e.Restart)
	}
	if rec, err := monitor.ReadExit(f.dir); err != nil || rec.Restart == nil {
		t.Errorf("the record says nothing of the restart: %+v, %v", rec, err)
	}
	if held, err := monitor.RestartHeld(f.opts.Config.Restart.Lock); !held && time.Now().Before(e.Restart.At) {
		t.Errorf("the restart is not held: %v", err)
	}
	s.Release()
	f.eventuallySays(log, "--restart clean")
	if time.Now().Before(e.Restart.At) {
		t.Error("it came too early")
	}
}

// An owner who has cleaned up is not cleaned up after; and one who does not leave holds nothing up: the
// restart cleans up itself.
func TestRestartAfterAnOwner(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		f, log := restarted(t, monitor.Restart{Policy: monitor.RestartAlways}, "exit 0")
		s := f.start()
		f.wait(s)
		if leaves {
			if err := s.Done(); err != nil {
				t.Fatal(err)
			}
		}
		f.eventuallySays(log, "--restart")
	}
}

// What a command has ended is not restarted, nor what another start's note is about.
func TestRestartUnlessStopped(t *testing.T) {
	for _, tt := range []struct {
		generation uint64
		want       string
	}{{7, "clean"}, {6, "--restart clean"}} {
		f, log := restarted(t, monitor.Restart{Policy: monitor.RestartAlways, Wait: time.Second}, "exec sleep 1000")
		s := f.start()
		live, err := monitor.ReadLive(f.dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := monitor.WriteStop(f.dir, monitor.Stop{Generation: tt.generation, By: monitor.StopByStop}); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(live.PID, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		e := f.wait(s)
		if (e.Restart != nil) != (tt.want != "clean") {
			t.Errorf("a note about start %d: %+v", tt.generation, e.Restart)
		}
		s.Release()
		f.eventuallySays(log, tt.want)
	}
}

// Called off, the monitor goes at once: whether it waits already, or still serves a client.
func TestRestartCalledOff(t *testing.T) {
	for _, early := range []bool{true, false} {
		f, log := restarted(t, monitor.Restart{Policy: monitor.RestartAlways, Wait: monitor.RestartLongest}, "exit 0")
		lock := f.opts.Config.Restart.Lock
		s := f.start()
		f.wait(s)
		if !early {
			s.Release()
			f.eventuallySays(log, "clean")
		}
		if err := monitor.CancelRestart(lock); err != nil {
			t.Fatal(err)
		}
		s.Release()
		f.eventually("a monitor that waits", func() bool { return s.Abort(f.ctx()) == nil })
		f.eventuallySays(log, "clean")
		if _, err := os.Lstat(lock); !os.IsNotExist(err) {
			t.Errorf("the lock: %v", err)
		}
	}
}

// Who stops the container with a signal to the monitor stops it in its back-off too.
func TestRestartCalledOffBySignal(t *testing.T) {
	f, log := restarted(t, monitor.Restart{Policy: monitor.RestartAlways, Wait: monitor.RestartLongest}, "exit 0")
	f.opts.Config.Stop = &monitor.StopConfig{Signal: int(syscall.SIGTERM)}
	s := f.start()
	f.wait(s)
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Release()
	if err := syscall.Kill(live.MonitorPID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	f.eventuallySays(log, "--call-off clean")
}

// The next monitor gets the restart, and becomes the service's main process, before its program is let go; it is the
// service manager's child then.
func TestRestartIsPassedOn(t *testing.T) {
	f, _ := restarted(t, monitor.Restart{Policy: monitor.RestartAlways}, "exit 0")
	m := f.serviced(monitor.NotifyConmon)
	lock := f.opts.Config.Restart.Lock
	// The command lets the program go when it has an answer, and not before somebody allows that here.
	go1, said := filepath.Join(t.TempDir(), "go"), filepath.Join(t.TempDir(), "said")
	f.opts.Config.CleanupCommand = []string{"/bin/sh", "-c", `
for word; do :; done
[ "$word" = --restart ] || exit 0
echo "$PPID" > ` + said + `.parent
until [ -e ` + go1 + ` ]; do sleep 0.05; done
echo 4242 >&0; read -r answer; echo "let go" > ` + said, "sh", "clean"}
	s := f.start()
	f.wait(s)
	s.Release()
	if got := m.next(); got != "READY=1" {
		t.Errorf("%q", got)
	}
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	var parent []byte
	f.eventually("no command", func() bool { parent, _ = os.ReadFile(said + ".parent"); return len(parent) > 0 })
	if got := strings.TrimSpace(string(parent)); got == strconv.Itoa(live.MonitorPID) {
		t.Errorf("the command is the monitor's child")
	}
	if held, err := monitor.RestartHeld(lock); !held {
		t.Errorf("while the next start is made, the restart is not held: %v", err)
	}
	m.silent()
	if err := os.WriteFile(go1, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := m.next(); got != "MAINPID=4242" {
		t.Errorf("%q", got)
	}
	f.eventually("no answer", func() bool { _, err := os.Stat(said); return err == nil })
	if held, err := monitor.RestartHeld(lock); held {
		t.Errorf("the next start runs, and the restart is held still: %v", err)
	}
}

// A program that was not there is not looked for again.
func TestFailedStartIsNotRestarted(t *testing.T) {
	f, log := restarted(t, monitor.Restart{Policy: monitor.RestartAlways}, "")
	f.plan.Args = []string{"/no/such/program"}
	s := f.spawn()
	if _, err := s.Start(f.ctx()); err == nil {
		t.Fatal("it started")
	}
	if e := f.wait(s); e.Restart != nil {
		t.Errorf("record %+v", e)
	}
	s.Release()
	f.eventuallySays(log, "clean")
}
