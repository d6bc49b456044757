package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// nobody is a user without privileges, and without ranges in /etc/subuid.
const nobody = 65534

// asNobody runs a command as that user and returns its output and exit code.
func asNobody(t *testing.T, o *testenv.OCI, args ...string) (string, int) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.CommandContext(t.Context(), o.Program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join(o.Dir, "home"), out, out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + filepath.Join(o.Dir, "home")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// passable lets other users pass through a directory and what leads to it.
func passable(t *testing.T, dir string) {
	t.Helper()
	for ; dir != "/"; dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err == nil && st.Mode()&0o001 == 0 { // private to us so far
			err = os.Chmod(dir, st.Mode().Perm()|0o011)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRootless starts what "spec --rootless" writes, without any privilege.
func TestRootless(t *testing.T) {
	o := newRuntime(t)
	home := filepath.Join(o.Dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{o.Dir, built.dir} {
		passable(t, dir)
	}
	for _, err := range []error{os.Chown(home, nobody, nobody), os.Symlink(o.Rootfs, filepath.Join(home, "rootfs"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// The user makes its own user namespace, which some systems do not allow.
	probe := exec.Command("unshare", "--user", "/bin/true")
	probe.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := probe.Run(); err != nil {
		t.Skip("no user namespaces without privileges: ", err)
	}
	if out, code := asNobody(t, o, "spec", "--rootless"); code != 0 {
		t.Fatalf("%d, %s", code, out)
	}
	config := filepath.Join(home, "config.json")
	edit := func(old, replaced string) {
		t.Helper()
		b, err := os.ReadFile(config)
		if err != nil || !strings.Contains(string(b), old) {
			t.Fatalf("no %q in %s, %v", old, b, err)
		}
		if err := os.WriteFile(config, []byte(strings.Replace(string(b), old, replaced, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit(`"terminal": true`, `"terminal": false`)
	edit(`"sh"`, `"sh", "-c", "id -u; id -g; touch /dev/shm/x; exit 3"`)
	if out, code := asNobody(t, o, "run", "c"); code != 3 || out != "0\n0\n" {
		t.Errorf("run: %d, %s", code, out)
	}
	edit(`"sh"`, `"sleep", "1000"], "x": ["sh"`)
	if out, code := asNobody(t, o, "run", "--detach", "c"); code != 0 {
		t.Fatalf("run --detach: %d, %s", code, out)
	}
	if out, code := asNobody(t, o, "exec", "c", "id", "-u"); code != 0 || out != "0\n" {
		t.Errorf("exec: %d, %s", code, out)
	}
	if out, _ := asNobody(t, o, "list"); !strings.Contains(out, "running") || !strings.Contains(out, "c ") {
		t.Errorf("list: %s", out)
	}
	if st, err := os.Stat(filepath.Join(home, name)); err != nil || st.Mode()&os.ModeSticky == 0 {
		t.Errorf("the state directory: %v, %v", st, err)
	}
	if out, code := asNobody(t, o, "delete", "--force", "c"); code != 0 {
		t.Errorf("delete: %d, %s", code, out)
	}
	if left, _ := os.ReadDir(filepath.Join(home, name)); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	edit(`"uidMappings": [`, `"uidMappings": [{"containerID": 1, "hostID": 100000, "size": 10},`)
	if out, code := asNobody(t, o, "run", "c"); code != 1 || !strings.Contains(out, "user namespace map") {
		t.Errorf("more ids than there are: %d, %s", code, out)
	}
}
