package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// inGroup runs a command as root with one more group and returns what it prints.
func inGroup(t *testing.T, o *testenv.OCI, group uint32, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := o.Command(t.Context(), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{group}}}
	if err := cmd.Run(); err != nil {
		t.Errorf("%v: %v\n%s", args, err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// TestKeepOriginalGroups starts containers as a caller with one more group: by crun's annotation they keep it, also
// where their user namespace has no name for it, and without it they do not.
func TestKeepOriginalGroups(t *testing.T) {
	o := newRuntime(t)
	passable(t, filepath.Dir(o.Rootfs))
	const annotation = "run.oci.keep_original_groups"
	own := func(s *specs.Spec) {
		ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 1000}}
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
		s.Mounts[2].Options = s.Mounts[2].Options[:4] // its terminals
	}
	for name, c := range map[string]struct {
		value string
		user  bool
		want  string
	}{
		"kept":                          {"1", false, "0 1234"},
		"kept in a user namespace":      {"1", true, "0 65534"},
		"another value":                 {"0", false, "0"},
		"not asked for":                 {"", false, "0"},
		"not asked for, user namespace": {"", true, "0"},
	} {
		change := func(s *specs.Spec) {
			s.Annotations = map[string]string{annotation: c.value}
			if c.user {
				own(s)
			}
		}
		if got := inGroup(t, o, 1234, "run", "--bundle", o.Bundle(t, "r", []string{"id", "-G"}, change), "r"); got != c.want {
			t.Errorf("%s: groups %q, want %q", name, got, c.want)
		}
		start(t, o, "c", change)
		if got := inGroup(t, o, 1234, "exec", "c", "id", "-G"); got != c.want {
			t.Errorf("%s: groups of exec %q, want %q", name, got, c.want)
		}
		o.Must(t, "delete", "--force", "c")
	}
	more := o.Bundle(t, "m", sleeper, func(s *specs.Spec) {
		s.Annotations = map[string]string{annotation: "1"}
		s.Process.User.AdditionalGids = []uint32{5}
	})
	o.Refused(t, 1, "process.user.additionalGids: conflicts with the annotation "+annotation, "create", "--bundle", more, "m")
}

// TestGroupsThatAreDenied: files are closed to a group, or open to it alone. What the container's process may read says that
// its primary group is in effect, that its additional groups are those that were asked for, and that none is the
// caller's. A program with a group of its own, which takes the primary one's place, opens nothing that is closed to that.
func TestGroupsThatAreDenied(t *testing.T) {
	o := newRuntime(t)
	const primary, additional, callers, readers = 1001, 1005, 2002, 3003
	for name, f := range map[string]struct {
		mode uint32
		gid  int
	}{
		"closed": {0o604, primary}, "closed-more": {0o604, additional}, "open": {0o640, primary}, "open-more": {0o640, additional},
		"callers": {0o640, callers}, "readers": {0o640, readers},
	} {
		path := filepath.Join(o.Rootfs, "etc", name)
		for _, err := range []error{os.WriteFile(path, []byte(name), 0o600), os.Chown(path, 0, f.gid), syscall.Chmod(path, f.mode)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	reader := filepath.Join(o.Rootfs, "bin/reader")
	for _, err := range []error{buildStatic("./testdata/reader", reader), os.Chown(reader, 0, readers), syscall.Chmod(reader, 0o2755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	const script = `grep ^Groups /proc/self/status
for f in /etc/open* /etc/closed* /etc/callers /etc/readers; do cat $f 2>/dev/null && echo; done
for f in closed closed-more callers readers; do reader /etc/$f 2>/dev/null && echo " by its group"; done
true`
	for name, c := range map[string]struct {
		groups []uint32
		want   string
	}{
		"none":        {nil, "Groups: 1001 open closed-more closed-more by its group readers by its group"},
		"another":     {[]uint32{additional}, "Groups: 1001 1005 open open-more readers by its group"},
		"the primary": {[]uint32{primary}, "Groups: 1001 open closed-more closed-more by its group readers by its group"},
		"both":        {[]uint32{additional, primary}, "Groups: 1001 1005 open open-more readers by its group"},
	} {
		process := func(s *specs.Spec) {
			s.Process.User = specs.User{UID: 1000, GID: primary, AdditionalGids: c.groups}
			s.Process.NoNewPrivileges, s.Process.Capabilities = false, nil
		}
		file := filepath.Join(o.Dir, "process.json")
		start(t, o, "c", process)
		spec := o.Spec("c", "sh", "-c", script)
		process(spec)
		b, err := json.Marshal(spec.Process)
		if err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		small := func(s *specs.Spec) { // hooks are none of an image's
			s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/true"}}}
		}
		for way, args := range map[string][]string{
			"run":                      {"run", "--bundle", o.Bundle(t, "r", spec.Process.Args, process), "r"},
			"run by the small program": {"run", "--bundle", o.Bundle(t, "s", spec.Process.Args, process, small), "s"},
			"exec":                     {"exec", "--process", file, "c"},
		} {
			if got := strings.Join(strings.Fields(inGroup(t, o, callers, args...)), " "); got != c.want {
				t.Errorf("additional groups %s, %s:\n%s, want\n%s", name, way, got, c.want)
			}
		}
		o.Must(t, "delete", "--force", "c")
	}
}
