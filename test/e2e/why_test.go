package e2e

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/manager-project/manager/internal/testenv"
)

// whyEnv is a manager whose containers are brought to their ends.
type whyEnv struct {
	*testenv.Manager
	t *testing.T
}

// run starts a container in the background and waits until it says that it is ready, if it does.
func (w *whyEnv) run(ready bool, args ...string) {
	w.t.Helper()
	w.MustRun(w.t, append([]string{"run", "-d", "--name", "c", "--network", "none"}, args...)...)
	if ready {
		w.until("logs", "c", "ready")
	}
}

// until repeats a command until its output has a text.
func (w *whyEnv) until(command, arg, text string) {
	w.t.Helper()
	for deadline := time.Now().Add(longWait); ; time.Sleep(20 * time.Millisecond) {
		if r := w.Run(command, arg); strings.Contains(r.Stdout, text) {
			return
		} else if time.Now().After(deadline) {
			w.t.Fatalf("%s %s never says %q: %s%s", command, arg, text, r.Stdout, r.Stderr)
		}
	}
}

func (w *whyEnv) pid(field string) int {
	w.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(w.MustRun(w.t, "inspect", "--format", "{{.State."+field+"}}", "c")))
	if err != nil || pid <= 1 {
		w.t.Fatalf("%s: %d, %v", field, pid, err)
	}
	return pid
}

// kill sends a signal from the host, past manager.
func (w *whyEnv) kill(sig unix.Signal, field string) {
	w.t.Helper()
	if err := unix.Kill(w.pid(field), sig); err != nil {
		w.t.Fatal(err)
	}
}

// gone waits until a process is gone, whoever it belongs to.
func (w *whyEnv) gone(pid int) {
	w.t.Helper()
	for deadline := time.Now().Add(longWait); unix.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("process %d does not go", pid)
		}
	}
}

// forgeBoot makes the stored boot id that of another boot.
func (w *whyEnv) forgeBoot() {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.Root, "manager/state.db")+"?_pragma=busy_timeout(10000)")
	if err == nil {
		_, err = db.Exec("UPDATE meta SET value='another boot' WHERE key='boot'")
		_ = db.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

const (
	busyLoop = "echo ready; while :; do sleep 0.1; done"
	// hog takes 64 MiB at once, so that an emulated machine is done with it soon.
	hog = "dd if=/dev/zero of=/dev/null bs=64M count=1"
	// longWait bounds the wait for an end on such a machine.
	longWait = 2 * time.Minute
)

// whyCases bring a container named c to its end, each in another way, and say what why and ps must
// answer. A case with memory needs limits that hold.
var whyCases = []struct {
	name   string
	memory bool
	end    func(w *whyEnv)
	cause  string
	code   int
	// text is a pattern of why's answer, ps one of the status.
	text, ps string
}{
	{"exit 0", false, func(w *whyEnv) { w.run(false, "busybox", "true") }, "exit", 0, `ended by itself, well`, `^Exited \(0\) \w`},
	{"exit 3", false, func(w *whyEnv) { w.run(false, "busybox", "sh", "-c", "echo last words; exit 3") }, "exit", 3, `exit code 3(?s:.*)last words(?s:.*)manager logs c`, `^Exited \(3\) \w`},
	{"SIGKILL from inside", false, func(w *whyEnv) { w.run(false, "--pid", "host", "busybox", "sh", "-c", "kill -KILL $$") }, "signal", 137, `killed by SIGKILL(?s:.*)may have come from inside`, `^Exited \(137\) \w`},
	{"SIGKILL from outside", false, func(w *whyEnv) {
		w.run(false, "busybox", "sleep", "1000")
		w.kill(unix.SIGKILL, "Pid")
	}, "signal", 137, `No command of manager sent it(?s:.*)from outside the container`, `^Exited \(137\) \w`},
	{"SIGSEGV", false, func(w *whyEnv) { w.run(false, "--pid", "host", "busybox", "sh", "-c", "kill -SEGV $$") }, "signal", 139, `crashed: SIGSEGV`, `^Exited \(139\) \w`},
	{"out of memory", true, func(w *whyEnv) {
		w.run(false, "--memory", "16m", "--memory-swap", "16m", "busybox", "sh", "-c", "exec "+hog)
	}, "oom", 137, `c: out of memory(?s:.*)used up its limit of 16 MiB \(peak (15\.\d|16) MiB\)(?s:.*)--memory`, `^Exited \(137\) out of memory \w`},
	{"a child out of memory", true, func(w *whyEnv) {
		w.run(false, "--memory", "16m", "--memory-swap", "16m", "busybox", "sh", "-c", "("+hog+"; echo never); exit 4")
	}, "exit", 4, `exit code 4(?s:.*)killed (another process|\d other processes) of it, because it had used up its limit of 16 MiB(?s:.*)--memory`, `^Exited \(4\) after a process ran out of memory`},
	{"SIGKILL long after a child ran out of memory", true, func(w *whyEnv) {
		w.run(true, "--memory", "16m", "--memory-swap", "16m", "busybox", "sh", "-c", "("+hog+"); "+busyLoop)
		time.Sleep(4 * time.Second) // so long that it is another matter
		w.kill(unix.SIGKILL, "Pid")
	}, "signal", 137, `killed by SIGKILL(?s:.*)killed another process of it`, `^Exited \(137\) \w`},
	{"timeout", false, func(w *whyEnv) { w.run(false, "--timeout", "1", "busybox", "sleep", "1000") }, "timeout", 137, `longer than the 1s of its --timeout`, `^Exited \(137\) out of time`},
	{"stop", false, func(w *whyEnv) {
		w.run(true, "busybox", "sh", "-c", "trap 'exit 7' TERM; "+busyLoop)
		w.MustRun(w.t, "stop", "--time", "60", "c")
	}, "stop", 7, `stopped by "manager stop"(?s:.*)answered to SIGTERM with exit code 7`, `^Exited \(7\) \w`},
	{"stop in vain", false, func(w *whyEnv) {
		w.run(true, "busybox", "sh", "-c", "trap : TERM; "+busyLoop)
		w.MustRun(w.t, "stop", "--time", "1", "c")
	}, "stop", 137, `killed by "manager stop"(?s:.*)did not end within 1s of SIGTERM(?s:.*)--stop-timeout`, `^Exited \(137\) \w`},
	{"kill", false, func(w *whyEnv) {
		w.run(false, "busybox", "sleep", "1000")
		w.MustRun(w.t, "kill", "c")
	}, "kill", 137, `ended by "manager kill"(?s:.*)sent SIGKILL`, `^Exited \(137\) \w`},
	{"monitor killed", false, func(w *whyEnv) {
		w.run(false, "busybox", "sleep", "1000")
		monitor, pid := w.pid("ConmonPid"), w.pid("Pid")
		w.kill(unix.SIGKILL, "ConmonPid")
		w.gone(monitor)
		w.until("why", "c", "Its monitor was killed")
		w.kill(unix.SIGKILL, "Pid")
		w.gone(pid)
	}, "monitor-lost", -1, `nobody saw it end(?s:.*)exit code is not known(?s:.*)manager start c`, `^Exited \(-1\) monitor lost`},
	{"reboot", false, func(w *whyEnv) {
		w.run(false, "busybox", "sleep", "1000")
		monitor, pid := w.pid("ConmonPid"), w.pid("Pid")
		for _, p := range []int{monitor, pid} {
			if err := unix.Kill(p, unix.SIGKILL); err != nil {
				w.t.Fatal(err)
			}
			w.gone(p)
		}
		w.forgeBoot()
	}, "reboot", 255, `ended with the machine(?s:.*)manager start c`, `^Exited \(255\) reboot`},
	{"program not found", false, func(w *whyEnv) {
		w.Run("run", "-d", "--name", "c", "--network", "none", "busybox", "/nope")
	}, "start-failed", 127, `could not be started(?s:.*)exit code 127(?s:.*)exec /nope: no such file`, `^Created$`},
	{"program not executable", false, func(w *whyEnv) {
		w.Run("run", "-d", "--name", "c", "--network", "none", "busybox", "/etc")
	}, "start-failed", 126, `could not be started(?s:.*)exit code 126`, `^Created$`},
}

// TestWhy brings containers to their ends and asks why, also when they are removed.
func TestWhy(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	for _, tt := range whyCases {
		t.Run(tt.name, func(t *testing.T) {
			if tt.memory {
				testenv.Need(t, testenv.Root)
			}
			w := &whyEnv{m, t}
			defer func() { m.MustRun(t, "rm", "--force", "--time", "0", "--ignore", "c") }()
			tt.end(w)
			if tt.cause != "start-failed" {
				w.ended()
			}
			checkWhy(w, tt.cause, tt.code, tt.text)
			status := m.MustRun(t, "ps", "--all", "--filter", "name=c", "--format", "{{.Status}}")
			if !regexp.MustCompile(tt.ps).MatchString(strings.TrimSpace(status)) {
				t.Errorf("ps says %q, not %s", status, tt.ps)
			}
			if got := strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{.State.Cause}} {{.State.OOMKilled}}", "c")); got != tt.cause+" "+strconv.FormatBool(tt.memory) {
				t.Errorf("inspect says %q", got)
			}
			m.MustRun(t, "rm", "c")
			checkWhy(w, tt.cause, tt.code, "")
		})
	}
}

// ended waits until nothing of the container runs.
func (w *whyEnv) ended() {
	w.t.Helper()
	w.until("ps", "--all", "Exited")
}

// checkWhy asks for the cause, the code and the text of the container's end.
func checkWhy(w *whyEnv, cause string, code int, text string) {
	w.t.Helper()
	var reports []struct {
		Name string
		End  struct {
			Cause, Summary string
			ExitCode       int
		}
	}
	out := w.MustRun(w.t, "why", "--format", "json", "c")
	if err := json.Unmarshal([]byte(out), &reports); err != nil || len(reports) != 1 {
		w.t.Fatalf("%v: %s", err, out)
	}
	if r := reports[0]; r.Name != "c" || r.End.Cause != cause || r.End.ExitCode != code {
		w.t.Errorf("cause %s with code %d, want %s with %d\n%s", r.End.Cause, r.End.ExitCode, cause, code, out)
	}
	if got := w.MustRun(w.t, "why", "c"); !regexp.MustCompile(text).MatchString(got) {
		w.t.Errorf("why does not match %s:\n%s", text, got)
	}
}
