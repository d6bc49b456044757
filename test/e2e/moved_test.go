package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// A container whose process somebody has moved to another cgroup is not said to be paused; moved back, it is paused.
func TestPauseOfMovedProcess(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	m.MustRun(t, "run", "--detach", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
	pid, path := inspected(t, m, "box", ".State.Pid"), inspected(t, m, "box", ".State.CgroupPath")
	own, err := filepath.Glob("/sys/fs/cgroup/*" + path)
	if err != nil || len(own) == 0 {
		t.Fatalf("cgroups %s: %q, %v", path, own, err)
	}
	move := func(to func(dir string) string) {
		t.Helper()
		for _, dir := range own {
			if err := os.WriteFile(filepath.Join(to(dir), "cgroup.procs"), []byte(pid), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	move(filepath.Dir)
	r := m.Run("pause", "box")
	if r.Code != 125 || !strings.Contains(r.Stderr, "process "+pid+" is no longer in its cgroup") || !strings.Contains(r.Stderr, "cgroup.procs") {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	if status := inspected(t, m, "box", ".State.Status"); status != "running" {
		t.Errorf("it is %s", status)
	}
	move(func(dir string) string { return dir })
	m.MustRun(t, "pause", "box")
	m.MustRun(t, "unpause", "box")
	m.MustRun(t, "rm", "--force", "--time", "0", "box")
}
