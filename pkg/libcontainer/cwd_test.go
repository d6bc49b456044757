package libcontainer_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
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
