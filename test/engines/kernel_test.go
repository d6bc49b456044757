package engines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// cgroups is where the hierarchies are mounted.
const cgroups = "/sys/fs/cgroup"

// cgroupDir is the folder of a process's cgroup: of the controller's own hierarchy if there
// is one, else of the unified one.
func cgroupDir(t *testing.T, pid int, controller string) (dir string, unified bool) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) < 3:
		case slices.Contains(strings.Split(parts[1], ","), controller):
			return filepath.Join(cgroups, controller, parts[2]), false
		case parts[0] == "0":
			dir = filepath.Join(cgroups, parts[2])
		}
	}
	return dir, true
}

// limit reads a file of a process's cgroup: v1 in a hierarchy of the controller's own, v2
// in the unified one.
func limit(t *testing.T, pid int, controller, v1, v2 string) string {
	t.Helper()
	dir, unified := cgroupDir(t, pid, controller)
	name := v1
	if unified {
		name = v2
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// frozen says whether the kernel has stopped the process's cgroup, of version 1 or 2.
func frozen(t *testing.T, pid int) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for file, want := range map[string]string{
			filepath.Join(cgroups, "freezer", parts[2], "freezer.state"): "FROZEN",
			filepath.Join(cgroups, "unified", parts[2], "cgroup.events"): "frozen 1",
			filepath.Join(cgroups, parts[2], "cgroup.events"):            "frozen 1",
		} {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), want) {
				return true
			}
		}
	}
	return false
}

// status is a line of /proc/PID/status.
func status(t *testing.T, pid int, key string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); name == key {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s of process %d", key, pid)
	return ""
}

// alive says whether a process runs.
func alive(pid int) bool { return unix.Kill(pid, 0) == nil && !zombie(pid) }

// zombie says whether a process waits for its parent.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z")
}

// removeParent removes the engine's cgroups. The parent and podman's cgroup of its monitors
// are the engine's; one of a container should have gone with it.
func (e *engine) removeParent(t *testing.T) {
	for _, root := range append(hierarchies(), cgroups) {
		top := filepath.Join(root, e.parent)
		var dirs []string
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		for _, dir := range slices.Backward(dirs) {
			if name := strings.TrimPrefix(dir, top); name != "" && name != "/conmon" {
				t.Errorf("left behind: cgroup %s", dir)
			}
			if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
				t.Errorf("rmdir %s: %v", dir, err)
			}
		}
	}
}

// hierarchies are the mounted version 1 hierarchies and a unified one beside them.
func hierarchies() []string {
	entries, err := os.ReadDir(cgroups)
	if err != nil {
		return nil
	}
	var dirs []string
	for _, e := range entries {
		if dir := filepath.Join(cgroups, e.Name()); e.IsDir() {
			if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}
