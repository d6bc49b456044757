package libcontainer_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// current prints the profile of the process that it is, and whether it may read and write where the
// profile of the tests forbids it.
const current = `cat /proc/self/attr/current; cat /etc/secret 2>/dev/null || echo "not read"; touch /tmp/forbidden 2>/dev/null || echo "not written"`

// appArmorSpec is a container with a file that the tests' profile keeps from it.
func appArmorSpec(t *testing.T, profile string, args ...string) *specs.Spec {
	t.Helper()
	spec := testSpec(testRoot(t), args...)
	if err := os.WriteFile(spec.Root.Path+"/etc/secret", []byte("read\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec.Process.ApparmorProfile = profile
	return spec
}

// TestAppArmorProfile wants the profile to hold for the container's process and those that join.
func TestAppArmorProfile(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.AppArmor)
	profile := testenv.AppArmorProfile(t)
	confined := profile + " (enforce)\nnot read\nnot written"
	if out, code := run(t, appArmorSpec(t, profile, "sh", "-c", current)); out != confined || code != 0 {
		t.Errorf("exit code %d, output %q", code, out)
	}
	for _, free := range []string{"", "unconfined"} {
		if out, code := run(t, appArmorSpec(t, free, "sh", "-c", current)); out != "unconfined\nread" || code != 0 {
			t.Errorf("profile %q: exit code %d, output %q", free, code, out)
		}
	}
	b, err := start(t, appArmorSpec(t, profile, "sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(fmt.Sprintf("/proc/%d/attr/current", b.PID()))
	if err != nil || string(got) != profile+" (enforce)\n" {
		t.Errorf("from the host: %q, %v", got, err)
	}
	process := &specs.Process{Args: []string{"sh", "-c", current}, Env: []string{"PATH=/bin"}, Cwd: "/", ApparmorProfile: profile}
	joined, err := b.join(process)
	if err != nil {
		t.Fatal(err)
	}
	if out, code := joined.finish(); out != confined || code != 0 {
		t.Errorf("joined: exit code %d, output %q", code, out)
	}
}

// TestAppArmorUnknownProfile wants a profile that is not loaded to be named, and no program to run: where the list
// of profiles can be read, and where the kernel says it.
func TestAppArmorUnknownProfile(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.AppArmor)
	_, err := start(t, appArmorSpec(t, "no-such-profile", "true"))
	if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "no-such-profile") || !strings.Contains(errdefs.Hint(err), "apparmor_parser") {
		t.Errorf("got %v", err)
	}
	spec := appArmorSpec(t, "", "true")
	p, h, err := compile.Container(spec, compile.Options{Bundle: spec.Root.Path})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p.Process.AppArmor = "no-such-profile"
	enc, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	req := launch.Request{Plan: enc}
	h.Apply(&req)
	_, err = launchBox(t, req)
	var failed *launch.Failure
	if !errors.As(err, &failed) || failed.Errno != unix.ENOENT || err.Error() != "apparmor profile no-such-profile: it is not loaded" {
		t.Errorf("got %v", err)
	}
}
