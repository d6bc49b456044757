package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// leaves checks that a picture names a thing after make, and not after undo.
func leaves(t *testing.T, marks *Marks, want string, undo func()) {
	t.Helper()
	found, err := picture(marks)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(found, "\n"), want) {
		t.Errorf("no %q in %q", want, found)
	}
	undo()
	left, err := remains(marks, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, thing := range left {
		if strings.Contains(thing, want) {
			t.Errorf("%q is still seen", thing)
		}
	}
}

func TestResidueProcess(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("sleep", "60")
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	leaves(t, &Marks{Dirs: []string{dir}}, "process", func() {
		cmd.Process.Kill()
		cmd.Wait() // the error is the kill
	})
}

func TestResidueDescriptor(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	leaves(t, &Marks{Dirs: []string{dir}}, "descriptor", func() { file.Close() })
}

func TestResidueMount(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	leaves(t, &Marks{Dirs: []string{dir}}, "mount "+dir, func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
	})
}

func TestResidueFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	leaves(t, &Marks{Watch: []string{dir}}, "file "+path, func() { os.Remove(path) })
}

func TestResidueCgroup(t *testing.T) {
	name := "manager-test-" + key(t.TempDir())
	parent := ""
	for _, dir := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			parent = dir
			break
		}
	}
	path := filepath.Join(parent, name)
	if parent == "" || os.Mkdir(path, 0o755) != nil {
		t.Skip("making a cgroup needs root and a mounted hierarchy")
	}
	leaves(t, &Marks{Cgroups: []string{name}}, "cgroup "+path, func() { os.Remove(path) })
}

func TestMentions(t *testing.T) {
	for text, want := range map[string]bool{
		"/tmp/a": true, "x=/tmp/a/b": true, "/tmp/ab": false, "/tmp/a-b /tmp/a:": true, "/tmp": false,
	} {
		if got := mentions(text, "/tmp/a"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
