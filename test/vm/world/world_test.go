package world

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// words are the words of a file.
func words(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// TestPromises holds a lane to everything that it gives.
func TestPromises(t *testing.T) {
	name := os.Getenv(testenv.LaneVariable)
	if name == "" {
		t.Skip(testenv.LeftToLane + testenv.LaneBare + ": looks at lanes")
	}
	for _, lane := range testenv.Lanes() {
		if lane.Name == name {
			testenv.Need(t, lane.Gives...)
			return
		}
	}
	t.Errorf("no lane %s", name)
}

// TestControllers wants all controllers, and those of limits to be had by a new cgroup.
func TestControllers(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Unified)
	have := words(t, "/sys/fs/cgroup/cgroup.controllers")
	for _, want := range []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"} {
		if !slices.Contains(have, want) {
			t.Errorf("no controller %s among %v", want, have)
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &st); err != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		t.Errorf("/sys/fs/cgroup is %#x, %v", st.Type, err)
	}
	if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+cpuset +cpu +io +memory +pids"), 0); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/sys/fs/cgroup", testenv.CgroupPrefix)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	}()
	for file, value := range map[string]string{"memory.max": "8388608", "pids.max": "7", "cpu.max": "5000 10000", "cpuset.cpus": "0"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
			t.Error(err)
		}
		if got := strings.Join(words(t, filepath.Join(dir, file)), " "); got != value {
			t.Errorf("%s is %q, want %q", file, got, value)
		}
	}
}

// TestSystemd asks systemd for a unit with a limit and looks at its cgroup.
func TestSystemd(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	unit(t)
}

// TestUserSystemd does the same as a user.
func TestUserSystemd(t *testing.T) {
	testenv.Need(t, testenv.User, testenv.Unified, testenv.Systemd, testenv.Delegated)
	unit(t, "--user")
}

func unit(t *testing.T, options ...string) {
	t.Helper()
	args := append(options, "--pipe", "--wait", "--quiet", "--collect", "--property=MemoryMax=32M", "--property=TasksMax=9",
		"sh", "-c", "cd /sys/fs/cgroup$(cut -c 4- /proc/self/cgroup); cat memory.max pids.max")
	out, err := exec.Command("systemd-run", args...).CombinedOutput()
	if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != "33554432 9" {
		t.Errorf("limits of a unit: %q, %v", out, err)
	}
}

// TestDelegation wants a user's own cgroup to pass its controllers on.
func TestDelegation(t *testing.T) {
	testenv.Need(t, testenv.User, testenv.Delegated)
	own := "/sys/fs/cgroup" + strings.TrimPrefix(words(t, "/proc/self/cgroup")[0], "0::")
	inner := filepath.Join(own, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	// A cgroup with processes passes nothing on: all of them move down first.
	for _, pid := range words(t, filepath.Join(own, "cgroup.procs")) {
		if err := os.WriteFile(filepath.Join(inner, "cgroup.procs"), []byte(pid), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := os.WriteFile(filepath.Join(own, "cgroup.subtree_control"), []byte("-cpu -memory -pids"), 0); err != nil {
			t.Error(err)
		}
		for _, pid := range words(t, filepath.Join(inner, "cgroup.procs")) {
			if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(pid), 0); err != nil {
				t.Error(err)
			}
		}
		if err := os.Remove(inner); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(own, "cgroup.subtree_control"), []byte("+cpu +memory +pids"), 0); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(words(t, filepath.Join(inner, "cgroup.controllers")), " "); got != "cpu memory pids" {
		t.Errorf("controllers passed on: %q", got)
	}
}
