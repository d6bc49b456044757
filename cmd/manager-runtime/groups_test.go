package main

import (
	"bytes"
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
