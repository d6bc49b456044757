package crash

import (
	"context"
	"fmt"
	"net"
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

// waits makes a container whose program fails, and lets it wait for a restart that no monitor carries out.
func (m *manager) waits(args ...string) {
	m.t.Helper()
	m.cleanupFaults(arming.Word(arming.Cleanup, "after=0s"))
	defer m.cleanupFaults("")
	m.must(append(append([]string{"run", "-d", "--name", "x", "--network", "none", "--restart", "always"}, args...), busybox, "sleep", "1000")...)
	m.kill9(m.pid("Pid"))
	// Its monitor has the restart called, which dies, and is gone then.
	m.eventually("no monitor", 20*time.Second, func() bool {
		for _, trace := range m.traces() {
			if strings.HasPrefix(trace, "process") {
				return false
			}
		}
		return true
	})
}

// TestRestartKilledAtEachPoint kills the command that carries a restart out, or the monitor that it makes. The next command
// that looks finishes it: the container runs, once, and was restarted once.
func TestRestartKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	for _, role := range []arming.Role{arming.Client, arming.Monitor} {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			for n := 1; ; n++ {
				m.waits()
				m.with([]string{arming.Word(role, fmt.Sprintf("at=%d", n))}, "container", "cleanup", "--restart", "--generation", "1", "x")
				when := m.struck()
				got := ""
				m.eventually(when+": it runs again", 20*time.Second, func() bool {
					got = m.must("inspect", "--format", "{{.State.Status}}", "x")
					return got == "running" && m.with(nil, "exec", "x", "true").Code == 0
				})
				if count := m.must("inspect", "--format", "{{.RestartCount}}", "x"); count != "1" {
					t.Errorf("%s: %s restarts", when, count)
				}
				m.must("rm", "--force", "--time", "0", "x")
				m.empty(when)
				if t.Failed() || when == "" {
					return
				}
			}
		})
	}
}

// TestRestartOnceInACrowd lets many commands meet a restart that nobody carries out: one does.
func TestRestartOnceInACrowd(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	for range 5 {
		m.waits()
		crowd(8, 8, func(i int) (r testenv.Result) {
			args := [][]string{
				{"ps", "--all"},
				{"inspect", "x"},
				{"container", "cleanup", "--restart", "--generation", "1", "x"},
				{"container", "cleanup", "--generation", "1", "x"},
			}[i%4]
			if r = m.Run(args...); r.Code != 0 {
				t.Errorf("%v: exit code %d: %s", args, r.Code, r.Stderr)
			}
			return r
		})
		m.eventually("it runs again", 20*time.Second, func() bool {
			return m.must("ps", "--format", "{{.Names}} {{.State}} {{.Restarts}}") == "x running 1"
		})
		m.must("rm", "--force", "--time", "0", "x")
		m.empty("after the crowd")
	}
}

// TestRestartAfterReboot boots: what the policy says is started, by the command of the unit and not before.
func TestRestartAfterReboot(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	for _, c := range []struct{ name, policy string }{
		{"always", "always"}, {"unless", "unless-stopped"}, {"stopped", "unless-stopped"}, {"failure", "on-failure"}, {"no", "no"},
	} {
		m.must("run", "-d", "--name", c.name, "--network", "none", "--restart", c.policy, busybox, "sleep", "1000")
	}
	m.must("run", "-d", "--name", "waiting", "--network", "none", "--restart", "always", busybox, "false")
	m.must("stop", "--time", "0", "always", "stopped")
	m.powerCut(true)
	for name, status := range m.statuses() {
		if status != "exited" {
			t.Errorf("after the boot %s is %s", name, status)
		}
	}
	m.must("rename", "waiting", "gone")
	m.must("rm", "gone")
	m.must(unitCommand(t, "ExecStart")...)
	want := map[string]string{"always": "running", "unless": "running", "stopped": "exited", "failure": "exited", "no": "exited"}
	if got := m.statuses(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after the unit: %v, want %v", got, want)
	}
	if r := m.with(nil, unitCommand(t, "ExecStop")...); r.Code != 0 { // it may say that a program was deaf
		t.Errorf("at the shutdown: exit code %d: %s", r.Code, r.Stderr)
	}
	m.powerCut(false)
	m.must(unitCommand(t, "ExecStart")...)
	if got := m.statuses(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after a shutdown and the unit: %v, want %v", got, want)
	}
	m.must("rm", "--force", "--time", "0", "--all")
	m.empty("after the boot")
}

// unitCommand is a command of the unit that is installed, without the program's name.
func unitCommand(t *testing.T, key string) []string {
	t.Helper()
	text, err := os.ReadFile("../../contrib/systemd/manager-restart.service")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, key+"=manager "); ok {
			return strings.Fields(command)
		}
	}
	t.Fatalf("the unit has no %s", key)
	return nil
}

// TestRestartInterruptedAndCalledOff ends whoever carries a restart out at a step of the start, as systemd ends all processes of a
// service, and then calls the restart off, as the monitor does that was told to stop: it stays off.
func TestRestartInterruptedAndCalledOff(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	for _, step := range []string{"note that a start begins", "mount the root filesystem", "write files", "launch monitor and init", "note that it runs"} {
		m.waits()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		cmd := m.Command(ctx, "container", "cleanup", "--restart", "--generation", "1", "x")
		cmd.Env = append(slices.Clone(m.Env), userWord, m.log.Word(), arming.Word(arming.Client, "stop=start: "+step))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		m.eventually("it stands at: "+step, 20*time.Second, func() bool { return m.struck() != "" })
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait()
		cancel()
		m.must("container", "cleanup", "--call-off", "--generation", "1", "x")
		if got := m.must("inspect", "--format", "{{.State.Status}}", "x"); got != "exited" {
			t.Errorf("%s: it is %s", step, got)
		}
		m.must("rm", "x")
		m.empty(step)
	}
}

// TestRestartCalledOffByMonitor ends a monitor that waits for a restart, as a service manager does, and with it the command that
// is to write that down, or the monitor before it can have that done: the container stays ended all the same.
func TestRestartCalledOffByMonitor(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]string{
		"command killed": arming.Word(arming.Cleanup, "after=0s"),
		"monitor killed": arming.Word(arming.Monitor, "on=monitor: restart called off"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = notify.Close() }()
			if strings.Contains(name, "monitor") {
				m.cleanupFaults(faults) // the next monitor gets them
			}
			restarting(m, []string{"NOTIFY_SOCKET=" + notify.LocalAddr().String()}, "--sdnotify", "conmon")
			var monitors []testenv.Process
			m.eventually("only a monitor is there", 20*time.Second, func() bool { monitors = m.processes(); return len(monitors) == 1 })
			m.cleanupFaults(faults)
			if err := syscall.Kill(monitors[0].PID, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			m.monitorGone()
			m.cleanupFaults("")
			for range 2 {
				if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}", "x"); got != "exited 137 2" {
					t.Errorf("it is %s", got)
				}
			}
			m.must("rm", "x")
			m.empty("after it")
		})
	}
}

// TestRestartCalledOffLongAgo: what a monitor called off in the machine's last life says nothing about a start in this one.
func TestRestartCalledOffLongAgo(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	id := m.must("create", "--name", "x", "--network", "none", "--restart", "always", busybox, "sleep", "1000")
	if err := os.WriteFile(filepath.Join(m.Root, "manager/containers", id, "restart.lock"), []byte{0}, 0o600); err != nil {
		t.Fatal(err)
	}
	m.must("start", "x")
	pid := m.pid("Pid")
	m.kill9(m.pid("ConmonPid"))
	m.kill9(pid)
	m.eventually("it runs again", 20*time.Second, func() bool { return m.must("inspect", "--format", "{{.State.Status}}", "x") == "running" })
	m.must("rm", "--force", "--time", "0", "x")
	m.empty("after it")
}
