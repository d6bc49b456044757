package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/libcontainer/compile"
)

// TestFeaturesAreWhole compares the answer with the lists of the specification.
func TestFeaturesAreWhole(t *testing.T) {
	f := whatWorks()
	for name, c := range map[string]struct {
		got  []string
		want string
	}{
		"hooks":      {f.Hooks, "prestart createRuntime createContainer startContainer poststart poststop"},
		"namespaces": {f.Linux.Namespaces, "pid network mount ipc uts user cgroup time"},
		"actions": {f.Linux.Seccomp.Actions, `SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD SCMP_ACT_TRAP
			SCMP_ACT_ERRNO SCMP_ACT_TRACE SCMP_ACT_ALLOW SCMP_ACT_LOG SCMP_ACT_NOTIFY`},
		"operators": {f.Linux.Seccomp.Operators, `SCMP_CMP_NE SCMP_CMP_LT SCMP_CMP_LE SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT
			SCMP_CMP_MASKED_EQ`},
		"flags": {f.Linux.Seccomp.KnownFlags, `SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_SPEC_ALLOW
			SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`},
		"options": {f.MountOptions, `async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev
			nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid private rbind relatime remount ro rprivate
			rshared rslave runbindable rw shared silent slave strictatime suid sync unbindable nosymfollow symfollow ratime rdev
			rdiratime rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow rrelatime rro rrw
			rstrictatime rsuid rsymfollow mand nomand tmpcopyup idmap ridmap`},
	} {
		for _, word := range strings.Fields(c.want) {
			if !slices.Contains(c.got, word) {
				t.Errorf("%s lack %s", name, word)
			}
		}
	}
	for _, key := range []string{"version", "commit", "checkpoint.enabled"} {
		if f.Annotations["org.opencontainers.runc."+key] == "" {
			t.Errorf("no annotation %s", key)
		}
	}
	if !slices.Contains(f.PotentiallyUnsafeConfigAnnotations, "org.systemd.property.") {
		t.Errorf("unsafe annotations: %q", f.PotentiallyUnsafeConfigAnnotations)
	}
	if f.Linux.Cgroup == nil || !*f.Linux.Cgroup.V1 || !*f.Linux.Cgroup.V2 || !*f.Linux.Cgroup.Systemd || !*f.Linux.Cgroup.SystemdUser || !*f.Linux.Cgroup.Rdma {
		t.Errorf("cgroup: %+v", f.Linux.Cgroup)
	}
}

// TestFeaturesCompile puts everything that is listed into a configuration.
func TestFeaturesCompile(t *testing.T) {
	f := whatWorks()
	for _, option := range f.MountOptions {
		kinds := []specs.Mount{
			{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs", Options: []string{option}},
			{Destination: "/mnt", Source: "/", Options: []string{"bind", option}},
		}
		if strings.HasSuffix(option, "idmap") {
			one := []specs.LinuxIDMapping{{Size: 1}}
			kinds[1].UIDMappings, kinds[1].GIDMappings = one, one
		}
		if !slices.ContainsFunc(kinds, func(m specs.Mount) bool { return compiles(func(s *specs.Spec) { s.Mounts = []specs.Mount{m} }) == nil }) {
			t.Errorf("mount option %s: %v", option, compiles(func(s *specs.Spec) { s.Mounts = kinds[:1] }))
		}
	}
	for _, name := range f.Linux.Capabilities {
		if err := compiles(func(s *specs.Spec) { s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{name}} }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	filter := func(change func(*specs.LinuxSeccomp)) error {
		return compiles(func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: "/listener", Syscalls: []specs.LinuxSyscall{
				{Names: []string{"personality"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Op: specs.OpEqualTo}}},
			}}
			change(s.Linux.Seccomp)
		})
	}
	for _, word := range f.Linux.Seccomp.Actions {
		if err := filter(func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action = specs.LinuxSeccompAction(word) }); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, word := range f.Linux.Seccomp.Operators {
		if err := filter(func(s *specs.LinuxSeccomp) { s.Syscalls[0].Args[0].Op = specs.LinuxSeccompOperator(word) }); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, word := range f.Linux.Seccomp.Archs {
		if err := filter(func(s *specs.LinuxSeccomp) { s.Architectures = []specs.Arch{specs.Arch(word)} }); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, word := range f.Linux.Seccomp.SupportedFlags {
		if err := filter(func(s *specs.LinuxSeccomp) {
			s.Syscalls[0].Action, s.Flags = specs.ActNotify, []specs.LinuxSeccompFlag{specs.LinuxSeccompFlag(word)}
		}); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// compiles says why a configuration cannot be compiled.
func compiles(change func(*specs.Spec)) error {
	s := &specs.Spec{
		Version: specs.Version, Root: &specs.Root{Path: "/"}, Process: &specs.Process{Args: []string{"probe"}, Cwd: "/"},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
	}
	change(s)
	_, handles, err := compile.Container(s, compile.Options{Bundle: "/"})
	if err == nil {
		handles.Close()
	}
	return err
}
