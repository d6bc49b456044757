package crash

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tight makes a memory cgroup of the test's own, and returns its directory, the file that limits it, and the one whose
// word "oom_kill" counts the kernel's kills in it. Source: kernel cgroup-v1/memory.rst, cgroup-v2.rst.
func tight(t *testing.T, name string) (dir, limit, kills string) {
	t.Helper()
	dir, limit, kills = filepath.Join("/sys/fs/cgroup", name), "memory.max", "memory.events"
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err == nil {
		dir, limit, kills = filepath.Join("/sys/fs/cgroup/memory", name), "memory.limit_in_bytes", "memory.oom_control"
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no cgroup can be made: %v", err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); os.Remove(dir) != nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s cannot be removed", dir)
				return
			}
		}
	})
	if _, err := os.Stat(filepath.Join(dir, limit)); err != nil {
		t.Skip("the kernel's memory controller is not here")
	}
	return dir, filepath.Join(dir, limit), filepath.Join(dir, kills)
}

// TestMonitorKilledForMemory leaves a monitor no memory until the kernel kills it: the container goes on as after any
// other kill of its monitor, and every command works.
func TestMonitorKilledForMemory(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must("run", "-d", "--name", "x", "--network", "none", "-v", m.TmpDir+":/word", busybox, "sh", "-c",
		"trap 'exit 4' TERM; echo up; until [ -e /word/write ]; do sleep 0.05; done; trap '' PIPE; yes 2>/dev/null; while :; do sleep 0.05; done")
	m.eventually("it runs", 20*time.Second, func() bool { return m.must("logs", "x") == "up" })
	monitor := m.pid("ConmonPid")
	dir, limit, kills := tight(t, "manager-test-memory-"+filepath.Base(m.Dir))
	for file, text := range map[string]string{limit: "65536", filepath.Join(dir, "cgroup.procs"): strconv.Itoa(monitor)} {
		if err := os.WriteFile(file, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(m.TmpDir+"/write", nil, 0o600); err != nil { // its buffers have to come back
		t.Fatal(err)
	}
	m.eventually("the monitor was killed", 30*time.Second, func() bool { return !runs(monitor) })
	text, err := os.ReadFile(kills)
	if err != nil || !strings.Contains(string(text), "oom_kill 1\n") {
		t.Errorf("not for memory: %q, %v", text, err)
	}
	if got := m.must("ps", "--format", "{{.Status}}"); !strings.Contains(got, "unmonitored") {
		t.Errorf("ps: %q", got)
	}
	if got := m.must("exec", "x", "echo", "inside"); got != "inside" {
		t.Errorf("exec: %q", got)
	}
	if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.Unmonitored}} {{.State.OOMKilled}}", "x"); got != "running true false" {
		t.Errorf("it is %s", got)
	}
	m.must("stop", "x")
	if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.Cause}} {{.State.ExitCode}}", "x"); got != "exited monitor-lost -1" {
		t.Errorf("after stop it is %s", got)
	}
	m.must("rm", "x")
	m.empty("after the monitor's end")
}
