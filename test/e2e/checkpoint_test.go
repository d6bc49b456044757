package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// needCRIU leaves the test to a machine whose kernel and CRIU fit together.
func needCRIU(t *testing.T) {
	t.Helper()
	out, err := exec.Command("criu", "check").CombinedOutput()
	if err == nil {
		return
	}
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	t.Fatalf("criu check: %v\n%s", err, out)
}

// counting starts a container that counts in its memory, on its output and in a file of the host; what it
// returns waits for a count above another.
func counting(t *testing.T, m *testenv.Manager, name string, options ...string) (beyond func(int) int) {
	t.Helper()
	dir := filepath.Join(m.Dir, "out-"+name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.MustRun(t, append(append([]string{"run", "--detach", "--name", name, "--network", "none", "--volume", dir + ":/out"}, options...),
		"busybox", "sh", "-c", "trap 'exit 7' TERM; i=0; while :; do i=$((i+1)); echo $i > /out/count; echo at $i; sleep 0.05; done")...)
	return func(n int) int {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			b, _ := os.ReadFile(filepath.Join(dir, "count"))
			if now, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && now > n {
				return now
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the count does not get beyond %d\n%s", name, n, m.Run("logs", "--tail", "5", name).Stderr)
			}
		}
	}
}

// criuLogs shows what CRIU complained of when a test fails.
func criuLogs(t *testing.T, m *testenv.Manager) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		logs, _ := filepath.Glob(filepath.Join(m.Root, "manager/containers/*/criu/*.log"))
		for _, file := range logs {
			text, _ := os.ReadFile(file)
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, "Error") || strings.Contains(line, "Warn") {
					t.Logf("%s: %s", filepath.Base(file), strings.TrimSpace(line))
				}
			}
		}
	})
}

// inspected is a field of inspect.
func inspected(t *testing.T, m *testenv.Manager, name, field string) string {
	t.Helper()
	return strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{"+field+"}}", name))
}

// parentOf is the parent of a process.
func parentOf(t *testing.T, pid string) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\nPPid:")
	return strings.Fields(rest)[0]
}

// TestCRIU has containers go on where they were. They know the count from their memory alone.
func TestCRIU(t *testing.T) {
	needCRIU(t)
	for _, runtime := range []string{"", "crun", "manager-runtime"} {
		t.Run("runtime "+runtime, func(t *testing.T) {
			m := testenv.NewManager(t)
			m.Image(t, "busybox")
			criuLogs(t, m)
			var options []string
			if runtime == "manager-runtime" {
				options = []string{"--runtime", filepath.Join(testenv.Programs(t), runtime)}
			} else if runtime != "" {
				options = []string{"--runtime", runtime}
			}
			goesOn(t, m, options)
		})
	}
}

func goesOn(t *testing.T, m *testenv.Manager, options []string) {
	beyond := counting(t, m, "box", options...)
	at := beyond(5)
	m.MustRun(t, "container", "checkpoint", "box")
	at = beyond(at - 1)
	if status := inspected(t, m, "box", ".State.Status"); status != "exited" {
		t.Errorf("it is %s after the checkpoint", status)
	}
	if since := inspected(t, m, "box", ".State.CheckpointedAt"); strings.HasPrefix(since, "0001") {
		t.Errorf("checkpointed at %s", since)
	}
	if err := os.WriteFile(filepath.Join(m.Dir, "out-box/count"), []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.MustRun(t, "container", "restore", "--keep", "box")
	if now := beyond(0); now < at || now > at+400 {
		t.Errorf("it goes on at %d, and was at %d", now, at)
	}
	pid, monitor := inspected(t, m, "box", ".State.Pid"), inspected(t, m, "box", ".State.ConmonPid")
	if got := parentOf(t, pid); got != monitor {
		t.Errorf("its parent is %s, the monitor is %s", got, monitor)
	}
	if out := m.MustRun(t, "exec", "box", "echo", "inside"); out != "inside\n" {
		t.Errorf("exec says %q", out)
	}
	m.MustRun(t, "pause", "box")
	m.MustRun(t, "unpause", "box")
	at = beyond(beyond(0))
	// Its output still goes to the log, and its end is seen.
	if out := m.MustRun(t, "logs", "--tail", "1", "box"); !strings.HasPrefix(out, "at ") {
		t.Errorf("the log ends with %q", out)
	}
	m.MustRun(t, "stop", "--time", "60", "box")
	if code := inspected(t, m, "box", ".State.ExitCode"); code != "7" {
		t.Errorf("it ended with %s", code)
	}
	// The images were kept: back in time.
	m.MustRun(t, "container", "restore", "box")
	if now := beyond(0); now > at+1000 {
		t.Errorf("it goes on at %d", now)
	}
	m.MustRun(t, "rm", "--force", "--time", "0", "box")
}

// TestCRIUTwice dumps on top of a pre-dump, while the container goes on, and prints what that took.
func TestCRIUTwice(t *testing.T) {
	needCRIU(t)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	criuLogs(t, m)
	beyond := counting(t, m, "box")
	m.MustRun(t, "container", "checkpoint", "--pre-checkpoint", "box")
	beyond(beyond(0))
	if r := m.Run("container", "checkpoint", "--print-stats", "--with-previous", "--leave-running", "box"); r.Code != 0 || !strings.Contains(r.Stdout, `"frozen_time"`) {
		t.Fatalf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	after := beyond(beyond(0))
	if status := inspected(t, m, "box", ".State.Status"); status != "running" {
		t.Errorf("it is %s", status)
	}
	m.MustRun(t, "stop", "--time", "0", "box")
	m.MustRun(t, "container", "restore", "box")
	beyond(after)
	if r := m.Run("container", "restore", "box"); r.Code != 125 || !strings.Contains(r.Stderr, "it is running") {
		t.Errorf("restored twice: exit code %d: %s", r.Code, r.Stderr)
	}
	m.MustRun(t, "stop", "--time", "0", "box")
	if r := m.Run("container", "restore", "box"); r.Code != 125 || !strings.Contains(r.Stderr, "has no checkpoint") {
		t.Errorf("without images: exit code %d: %s", r.Code, r.Stderr)
	}
}

// fakeCRIU puts a program into $PATH, in place of criu, or none.
func fakeCRIU(t *testing.T, m *testenv.Manager, script string) {
	t.Helper()
	dir := filepath.Join(m.Dir, "fake")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "criu")
	if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	path := dir + ":" + os.Getenv("PATH")
	if script == "" {
		path = filepath.Join(m.Dir, "nowhere")
	}
	for i, kv := range m.Env {
		if strings.HasPrefix(kv, "PATH=") {
			m.Env[i] = "PATH=" + path
		}
	}
}

// TestCheckpointFails leaves the container as it was, and says what to do.
func TestCheckpointFails(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	m.MustRun(t, "run", "--detach", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
	m.MustRun(t, "create", "--name", "off", "--network", "none", "busybox", "true")
	refused := func(words string, args ...string) {
		t.Helper()
		r := m.Run(append([]string{"container"}, args...)...)
		if r.Code != 125 || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, words) {
			t.Errorf("%v: exit code %d: %s", args, r.Code, r.Stderr)
		}
		if got := inspected(t, m, "box", ".State.Status"); got != "running" {
			t.Fatalf("it is %s after %v", got, args)
		}
	}
	fakeCRIU(t, m, "")
	refused("criu: not found in $PATH; install the package criu", "checkpoint", "box")
	refused("criu: not found in $PATH", "restore", "off")
	fakeCRIU(t, m, "#!/bin/sh\necho 'Error (x.c:1): no such thing in this kernel'\necho 'Error (y.c:2): so no'\nexit 1\n")
	refused("it does not work on this host: Error (x.c:1): no such thing in this kernel; install a criu that knows Linux", "checkpoint", "box")
	fakeCRIU(t, m, "#!/bin/sh\n[ $1 = check ] && exit 0\necho out of order >&2\nexit 1\n")
	refused("checkpoint container box: checkpoint by criu: out of order; see ", "checkpoint", "box")
	refused("checkpoint container box: pre-dump by criu: out of order; see ", "checkpoint", "--pre-checkpoint", "box")
	refused("it has no earlier checkpoint; make one with --pre-checkpoint first", "checkpoint", "--with-previous", "box")
	refused("--with-previous", "checkpoint", "--with-previous", "--pre-checkpoint", "box")
	refused("it is created, not running", "checkpoint", "off")
	refused("it has no checkpoint", "restore", "off")
	refused("it is running, not stopped", "restore", "box")
	refused("needs a container name", "checkpoint")
	refused("--all and --latest", "restore", "--all", "box")
	// A checkpoint that CRIU cannot restore leaves the container stopped, and the images.
	id := inspected(t, m, "off", ".Id")
	images := filepath.Join(m.Root, "manager/containers", id, "checkpoint")
	if err := os.Mkdir(images, 0o700); err != nil {
		t.Fatal(err)
	}
	refused("restore container off: runtime manager-runtime: ", "restore", "off")
	if err := os.Symlink("/etc/passwd", filepath.Join(images, "pages-1.img")); err != nil {
		t.Fatal(err)
	}
	refused("is not a regular file", "restore", "off")
	if got := inspected(t, m, "off", ".State.Status"); got != "created" {
		t.Errorf("it is %s", got)
	}
	m.MustRun(t, "rm", "--force", "--time", "0", "box", "off")
}
