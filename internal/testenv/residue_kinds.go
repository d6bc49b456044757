package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// mounts lists the mounts of this mount namespace at, from or through the private folders,
// the namespaces kept by a bind mount among them.
func mounts(m *Marks) ([]string, error) {
	list, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, mount := range list {
		if m.inDirs(mount.Mountpoint) || m.inDirs(mount.Root) || m.inDirs(mount.VFSOptions) {
			kind := "mount"
			if mount.FSType == "nsfs" {
				kind = "namespace"
			}
			found = append(found, fmt.Sprintf("%s %s (%s)", kind, mount.Mountpoint, mount.FSType))
		}
	}
	return found, nil
}

// cgroups lists the cgroups with a private name, in every hierarchy that is mounted.
func cgroups(m *Marks) ([]string, error) {
	if len(m.Cgroups) == 0 {
		return nil, nil
	}
	hierarchies, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, h := range hierarchies {
		err := filepath.WalkDir(h.Mountpoint, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // somebody's cgroup went away meanwhile
			}
			if err == nil && d.IsDir() && m.inCgroups(strings.TrimPrefix(path, h.Mountpoint)) {
				found = append(found, "cgroup "+path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Process is a process that carries a mark.
type Process struct {
	// PID is its id in this pid namespace.
	PID int
	// Command is its arguments joined by spaces, or its short name in their absence.
	Command string
}

// Processes returns the processes with a mark, this one never among them.
func Processes(marks Marks) ([]Process, error) {
	list, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []Process
	for _, e := range list {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		if marks.process(dir) {
			found = append(found, Process{pid, commandLine(dir)})
		}
	}
	return found, nil
}

// processes lists the processes with a mark and the namespaces that they keep.
func processes(m *Marks) ([]string, error) {
	list, err := Processes(*m)
	var found []string
	for _, p := range list {
		found = append(found, fmt.Sprintf("process %d (%s)%s", p.PID, p.Command, ownNamespaces(fmt.Sprintf("/proc/%d", p.PID))))
	}
	return found, err
}

// process says whether the process carries a mark. A process that ends meanwhile has none.
func (m *Marks) process(dir string) bool {
	for _, name := range []string{"exe", "cwd"} {
		if target, err := os.Readlink(filepath.Join(dir, name)); err == nil && m.inDirs(target) {
			return true
		}
	}
	for _, name := range []string{"cmdline", "environ"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil && m.inDirs(string(text)) {
			return true
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil {
		for line := range strings.Lines(string(text)) {
			if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 && m.inCgroups(parts[2]) {
				return true
			}
		}
	}
	return m.opened(dir) || m.mountedBy(dir)
}

// opened says whether the process has a file below a private folder open.
func (m *Marks) opened(dir string) bool {
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return false
	}
	for _, f := range files {
		if target, err := os.Readlink(filepath.Join(dir, "fd", f.Name())); err == nil && m.inDirs(target) {
			return true
		}
	}
	return false
}

// mountedBy says whether the process has a mount namespace of its own with a private
// folder's file systems in it.
func (m *Marks) mountedBy(dir string) bool {
	theirs, err := os.Readlink(filepath.Join(dir, "ns/mnt"))
	if err != nil {
		return false
	}
	if own, err := os.Readlink("/proc/self/ns/mnt"); err != nil || own == theirs {
		return false
	}
	text, err := os.ReadFile(filepath.Join(dir, "mountinfo"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		// A mount at its old place is only a copy that came with somebody's new namespace.
		if fields := strings.Fields(line); len(fields) > 4 && !m.inDirs(fields[4]) && m.inDirs(line) {
			return true
		}
	}
	return false
}

// commandLine is the process's arguments, or its short name.
func commandLine(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil || len(text) == 0 {
		text, _ = os.ReadFile(filepath.Join(dir, "comm"))
	}
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}

// ownNamespaces names the namespaces in which the process differs from us.
func ownNamespaces(dir string) string {
	var differ []string
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		ours, _ := os.Readlink("/proc/self/ns/" + kind)
		if theirs, err := os.Readlink(filepath.Join(dir, "ns", kind)); err == nil && theirs != ours {
			differ = append(differ, theirs)
		}
	}
	if len(differ) == 0 {
		return ""
	}
	return " with " + strings.Join(differ, " ")
}

// descriptors lists this process's own open files below the private folders.
func descriptors(m *Marks) ([]string, error) {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, f := range files {
		if target, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && m.inDirs(target) {
			found = append(found, "descriptor of the test: "+target)
		}
	}
	return found, nil
}

// links lists the network links, for a test that has the network to itself.
func links(m *Marks) ([]string, error) {
	if !m.Alone {
		return nil, nil
	}
	list, err := os.ReadDir("/sys/class/net")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range list {
		found = append(found, "network link "+e.Name())
	}
	return found, nil
}

// tables lists the nft tables, for a test that has the network to itself.
func tables(m *Marks) ([]string, error) {
	if !m.Alone || os.Geteuid() != 0 {
		return nil, nil
	}
	out, err := exec.Command("nft", "list", "tables").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("nft list tables: %w", err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		found = append(found, "nft "+strings.TrimSpace(line))
	}
	return found, nil
}
