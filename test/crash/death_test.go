package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/fault/arming"
	"github.com/manager-project/manager/internal/testenv"
)

// eventually waits for what comes without another command's help.
func (m *manager) eventually(what string, limit time.Duration, is func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Errorf("not after %v: %s", limit, what)
			return
		}
	}
}

// TestMonitorKilled kills a monitor: the container goes on, is shown as unmonitored, and each
// command works at its first try.
func TestMonitorKilled(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	script := []string{"run", "-d", "--name", "x", "--network", "none", busybox, "sh", "-c", "echo hello; trap 'exit 4' TERM; while :; do sleep 0.05; done"}
	for _, args := range [][]string{
		{"stop", "x"}, {"rm", "--force", "x"}, {"kill", "x"}, {"restart", "--time", "1", "x"}, {"pause", "x"}, {"wait", "x"}, {"inspect", "x"},
	} {
		m.must(script...)
		m.eventually("the log", 20*time.Second, func() bool { return m.must("logs", "x") == "hello" })
		pid := m.pid("Pid")
		m.kill9(m.pid("ConmonPid"))
		if got := m.must("ps", "--format", "{{.Status}}"); !strings.Contains(got, "unmonitored") {
			t.Errorf("ps: %q", got)
		}
		if got := m.must("exec", "x", "echo", "inside"); got != "inside" {
			t.Errorf("exec: %q", got)
		}
		if got := m.must("logs", "x"); got != "hello" {
			t.Errorf("logs: %q", got)
		}
		if args[0] == "wait" {
			time.AfterFunc(200*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		}
		got := m.must(args...)
		switch args[0] {
		case "wait":
			if got != "-1" { // nobody saw it end
				t.Errorf("wait: %q", got)
			}
		case "stop":
			if s := m.statuses()["x"]; s != "exited" {
				t.Errorf("after stop: %q", s)
			}
		}
		if _, there := m.statuses()["x"]; there {
			m.must("rm", "--force", "--time", "0", "x")
		}
		m.empty(args[0])
	}
}

// TestEndedUnseenWithRm ends a container with --rm while nobody is there to remove it: the next
// command that names it does, and finds no container then, whatever it was going to do.
func TestEndedUnseenWithRm(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	for _, args := range [][]string{
		{"stop", "--time", "0", "x"}, {"start", "x"}, {"rename", "x", "y"}, {"rm", "x"}, {"rm", "--force", "--time", "0", "x"},
	} {
		m.must("run", "-d", "--rm", "--name", "x", "--network", "none", busybox, "sleep", "1000")
		m.endUnseen()
		forced := args[0] == "rm" && args[1] == "--force"
		switch r := m.Run(args...); {
		case forced && r.Code == 0:
		case !forced && r.Code != 0 && strings.Contains(r.Stderr, "no such container"):
		default:
			t.Errorf("%s: exit code %d: %s", strings.Join(args, " "), r.Code, r.Stderr)
		}
		m.empty(args[0])
	}
}

// TestClientKilled kills the client of a container in the foreground: the container goes on, and
// at its end the monitor has it cleaned up, with --rm removed, also without HOME and PATH.
func TestClientKilled(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	whole := m.Env
	for _, bare := range []bool{false, true} {
		for _, rm := range []bool{false, true} {
			m.Env = whole
			if bare {
				m.Env = slices.DeleteFunc(slices.Clone(whole), func(e string) bool {
					return strings.HasPrefix(e, "HOME=") || strings.HasPrefix(e, "PATH=") || strings.HasPrefix(e, "XDG_")
				})
			}
			word := filepath.Join(t.TempDir(), "go")
			args := []string{"run", "--name", "x", "--network", "none", "-v", "/anonymous", "-v", filepath.Dir(word) + ":/word"}
			if rm {
				args = append(args, "--rm")
			}
			ctx, cancel := context.WithCancel(context.Background())
			cmd := m.Command(ctx, append(args, busybox, "sh", "-c", "echo up; until [ -e /word/go ]; do sleep 0.05; done; exit 6")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			m.eventually("it runs", 10*time.Second, func() bool { return m.Run("logs", "x").Stdout == "up\n" })
			cancel()
			_ = cmd.Wait() // it was killed
			if got := m.statuses()["x"]; got != "running" {
				t.Errorf("without its client it is %q", got)
			}
			if err := os.WriteFile(word, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			where := fmt.Sprintf("--rm %v, bare environment %v", rm, bare)
			// Nothing but the monitor looks: mounts and cgroups go by themselves.
			m.eventually(where+": mounts and cgroups are gone", 20*time.Second, func() bool {
				return !slices.ContainsFunc(m.traces(), func(s string) bool {
					return strings.HasPrefix(s, "mount") || strings.HasPrefix(s, "/sys/fs/cgroup") || strings.HasPrefix(s, "process")
				})
			})
			if rm {
				m.empty(where)
			} else {
				if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "x"); got != "exited 6" {
					t.Errorf("%s: %s", where, got)
				}
				m.must("rm", "--volumes", "x")
				m.empty(where)
			}
			if left := m.must("volume", "ls", "--quiet"); left != "" {
				t.Errorf("%s: volume %s", where, left)
			}
		}
	}
}

// TestNoProgram starts what cannot be executed: 127, the container stays as created, or goes with --rm.
func TestNoProgram(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	for _, detached := range []bool{false, true} {
		args := []string{"run", "--name", "x", "--network", "none", "-v", "/anonymous"}
		if detached {
			args = append(args, "-d")
		}
		r := m.Run(append(args, "--rm", busybox, "no-such-program")...)
		if r.Code != 127 || strings.Count(r.Stderr, "\n") != 1 {
			t.Errorf("--rm: exit code %d: %s", r.Code, r.Stderr)
		}
		m.empty("--rm")
		r = m.Run(append(args, busybox, "no-such-program")...)
		if r.Code != 127 || strings.Count(r.Stderr, "\n") != 1 {
			t.Errorf("exit code %d: %s", r.Code, r.Stderr)
		}
		if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "x"); got != "created 127" {
			t.Errorf("it is %s", got)
		}
		r = m.Run("start", "x")
		if r.Code != 127 || strings.Count(r.Stderr, "\n") != 1 {
			t.Errorf("start: exit code %d: %s", r.Code, r.Stderr)
		}
		m.must("rm", "--volumes", "x")
		m.empty("rm")
	}
}

// TestKilledAtAnyTime kills commands at random moments, inside the libraries too.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	tries := 40
	if soak() > 0 {
		tries = 2000
	}
	archive := filepath.Join(m.Dir, "busybox.tar")
	m.must("save", "--quiet", "--output", archive, busybox)
	list := [][]string{
		sleeper,
		{"run", "--rm", "--name", "x", "--network", "none", "-v", "/anonymous", busybox, "true"},
		{"rm", "--force", "--time", "0", "x"},
		{"start", "x"},
		{"restart", "--time", "0", "x"},
		{"stop", "--time", "0", "x"},
		{"exec", "-d", "x", "true"},
		{"exec", "x", "true"},
		{"rename", "x", "z"},
		{"rename", "z", "x"},
		{"load", "--quiet", "--input", archive},
		{"tag", busybox, "localhost/other"},
		{"rmi", "localhost/other"},
		{"create", "--name", "x", "--network", "none", busybox, "true"},
	}
	for i := range tries {
		args := list[r.IntN(len(list))]
		if i%5 == 0 {
			args = sleeper // so that there is something to work on
		}
		after := time.Duration(r.IntN(60_000)) * time.Microsecond
		m.with([]string{arming.Word(arming.Client, "after="+after.String())}, args...)
		when := fmt.Sprintf("%q killed after %v", args, after)
		m.sane(when)
		if i%5 == 4 {
			m.must("rm", "--all", "--force", "--time", "0")
			m.must("volume", "prune", "--all", "--force")
			m.must("run", "--rm", "--network", "none", busybox, "true")
			m.empty(when)
		}
		if t.Failed() {
			t.Logf("last: %s", when)
			return
		}
	}
}

// TestRemovalKilledAtAnyTime kills removals at random moments, most of them inside the store: the next
// command finishes each, whatever part of the container the store still knows.
func TestRemovalKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	for range 40 {
		m.must(sleeper...)
		after := 10*time.Millisecond + time.Duration(rand.IntN(40_000))*time.Microsecond
		m.with([]string{arming.Word(arming.Client, "after="+after.String())}, "rm", "--force", "--time", "0", "x")
		m.sane(fmt.Sprintf("killed after %v", after))
		m.must("rm", "--force", "--time", "0", "--ignore", "x")
	}
	m.empty("after the removals")
}

// TestReboot makes the state look as a power cut leaves it: rows that say "running", mounts and
// cgroups gone, another boot id.
func TestReboot(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must("run", "-d", "--name", "x", "--network", "none", "--ipc", "shareable", busybox, "sleep", "1000")
	m.must("exec", "-d", "x", "sleep", "1000")
	for _, keepRunDir := range []bool{true, false} {
		m.powerCut(keepRunDir)
		if got := m.must("ps", "--all", "--format", "{{.Names}} {{.State}}"); got != "x exited" {
			t.Errorf("after the boot: %q", got)
		}
		if got := m.must("inspect", "--format", "{{.State.ExitCode}} {{.State.Pid}}", "x"); got != "255 0" {
			t.Errorf("after the boot: %q", got)
		}
		m.must("start", "x")
		if got := m.must("exec", "x", "echo", "again"); got != "again" {
			t.Errorf("exec: %q", got)
		}
	}
	m.must("rm", "--force", "--time", "0", "x")
	m.empty("after the boots")
}

// powerCut ends everything of the manager without a word and forges the boot id of another boot.
func (m *manager) powerCut(keepRunDir bool) {
	m.t.Helper()
	m.cleanupFaults(arming.Word(arming.Cleanup, "after=0s"))
	defer m.cleanupFaults("")
	for range 100 {
		list, err := testenv.Processes(m.Marks())
		if err != nil {
			m.t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, p := range list {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, trace := range m.traces() {
		if path, ok := strings.CutPrefix(trace, "mount "); ok {
			if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
				m.t.Fatal(err)
			}
		} else if strings.HasPrefix(trace, "/sys/fs/cgroup") {
			m.eventually(trace+" can be removed", 20*time.Second, func() bool {
				err := syscall.Rmdir(trace)
				return err == nil || err == syscall.ENOENT
			})
		}
	}
	if !keepRunDir {
		for _, dir := range []string{m.RunRoot, filepath.Join(m.TmpDir, "containers"), filepath.Join(m.TmpDir, "programs")} {
			if err := os.RemoveAll(dir); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	m.forgeBoot()
}
