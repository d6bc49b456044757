package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// nobody is a user without privileges, and without ranges in /etc/subuid.
const nobody = 65534

// asNobody runs a command as that user and returns its output and exit code.
func asNobody(t *testing.T, o *testenv.OCI, args ...string) (string, int) {
	t.Helper()
	return asNobodyWith(t, o, "", args...)
}

// asNobodyWith is asNobody with one more variable, NAME=VALUE, in the environment.
func asNobodyWith(t *testing.T, o *testenv.OCI, variable string, args ...string) (string, int) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.CommandContext(t.Context(), o.Program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join(o.Dir, "home"), out, out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + filepath.Join(o.Dir, "home"), variable}
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

// newHome makes a folder for nobody with what "spec --rootless" writes, and returns it and a function that
// replaces a text of that. It skips where users may not make user namespaces.
func newHome(t *testing.T, o *testenv.OCI) (home string, edit func(old, replaced string)) {
	t.Helper()
	home = filepath.Join(o.Dir, "home")
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
	edit = func(old, replaced string) {
		t.Helper()
		b, err := os.ReadFile(config)
		if err != nil || !strings.Contains(string(b), old) {
			t.Fatalf("no %q in %s, %v", old, b, err)
		}
		if err := os.WriteFile(config, []byte(strings.Replace(string(b), old, replaced, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return home, edit
}

// TestRootless starts what "spec --rootless" writes, without any privilege.
func TestRootless(t *testing.T) {
	o := newRuntime(t)
	home, edit := newHome(t, o)
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

// TestRootlessModes has a user run a container in each mode, with and without a limit: only where the mode says
// that cgroups may be missing, and no limit asks for one, does it run without.
func TestRootlessModes(t *testing.T) {
	o := newRuntime(t)
	_, edit := newHome(t, o)
	edit(`"terminal": true`, `"terminal": false`)
	edit(`"sh"`, `"true"`)
	runs := func(mode string) (string, int) { return asNobody(t, o, "--rootless", mode, "run", "c") }
	for _, mode := range []string{"auto", "true"} {
		if out, code := runs(mode); code != 0 || out != "" {
			t.Errorf("--rootless %s: %d, %s", mode, code, out)
		}
	}
	if out, code := runs("false"); code != 1 || !strings.Contains(out, "cgroup") || !strings.Contains(out, "permission denied") {
		t.Errorf("--rootless false: %d, %s", code, out)
	}
	if out, code := runs("maybe"); code != 1 || !strings.Contains(out, "want true, false or auto") {
		t.Errorf("--rootless maybe: %d, %s", code, out)
	}
	edit(`"linux": {`, `"linux": {"resources": {"pids": {"limit": 10}},`)
	for _, mode := range []string{"auto", "true", "false"} {
		if out, code := runs(mode); code != 1 || !strings.Contains(out, "cgroup") {
			t.Errorf("--rootless %s with a limit: %d, %s", mode, code, out)
		}
	}
	// For root the modes make no difference: its cgroups can be made, and have their limits.
	limit := int64(12)
	for _, mode := range []string{"auto", "true", "false"} {
		bundle := o.Bundle(t, "c", sleeper, func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}} })
		o.Must(t, "--rootless", mode, "run", "--detach", "--bundle", bundle, "c")
		if got := o.Must(t, "events", "--stats", "c"); !strings.Contains(got, `"pids":{"current":1,"limit":12}`) {
			t.Errorf("root with --rootless %s: %s", mode, got)
		}
		o.Must(t, "delete", "--force", "c")
	}
}
