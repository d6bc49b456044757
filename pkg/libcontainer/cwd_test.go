package libcontainer_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer"
)

// TestCwdIsEnteredBeforeTheUser: the image's directory may be closed to the program's user.
func TestCwdIsEnteredBeforeTheUser(t *testing.T) {
	root := testRoot(t)
	if err := os.Mkdir(root+"/closed", 0o700); err != nil {
		t.Fatal(err)
	}
	spec := testSpec(root, "sh", "-c", "readlink /proc/self/cwd; cd /closed 2>/dev/null || echo closed")
	spec.Process.User, spec.Process.Cwd = specs.User{UID: 1000, GID: 1000}, "/closed"
	spec.Process.Capabilities = nil
	if out, code := run(t, spec); strings.Join(strings.Fields(out), " ") != "/closed closed" || code != 0 {
		t.Errorf("output %q, code %d", out, code)
	}
	spec.Process.Cwd = "/nothing"
	if _, err := start(t, spec); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "cwd /nothing") {
		t.Errorf("a missing one: %v", err)
	}
}

// TestCwdClosedToRoot: the working directory may be closed to the container's root and open to its user, as a mount of
// FUSE is to all but its owner. Here its group has no number in the user namespace, which ends root's rights to it.
func TestCwdClosedToRoot(t *testing.T) {
	root := testRoot(t)
	process := &specs.Process{
		Args: []string{"sh", "-c", "pwd; cat file"}, Cwd: "/users", Env: []string{"PATH=/bin"}, User: specs.User{UID: 7, GID: 7},
	}
	spec := testSpec(root, process.Args...)
	spec.Process.User, spec.Process.Cwd = process.User, process.Cwd
	withUserNamespace(t, spec)
	const owner = 100007
	write(t, root+"/file", "inside", 0o644)
	for _, err := range []error{
		os.Mkdir(root+"/users", 0o700), os.Rename(root+"/file", root+"/users/file"), os.Chown(root+"/users", owner, 5),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, code := run(t, spec); out != "/users\ninside" || code != 0 {
		t.Errorf("output %q, code %d", out, code)
	}
	asRoot := *spec.Process
	asRoot.User.UID = 0
	spec.Process = &asRoot
	if _, err := start(t, spec); !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "cwd /users") {
		t.Errorf("as root: %v", err)
	}
	spec.Process = &specs.Process{Args: []string{"sleep", "1000"}, Cwd: "/", Env: []string{"PATH=/bin"}}
	b, err := start(t, spec)
	if err == nil {
		err = b.Exec()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []bool{false, true} {
		q := libcontainer.Join{Process: process}
		if out, err := joined(t, b, spec, q, image, false); out != "/users\ninside" || err != nil {
			t.Errorf("exec, image %v: %q, %v", image, out, err)
		}
		closed := *process
		closed.User.UID = 8
		q.Process = &closed
		if out, err := joined(t, b, spec, q, image, false); !errors.Is(err, unix.EACCES) {
			t.Errorf("exec as another user, image %v: %q, %v", image, out, err)
		}
	}
}
