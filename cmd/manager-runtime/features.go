package main

import (
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/version"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/seccomp"
)

func featuresCommand() *command {
	return &command{
		name: "features", summary: "print what this runtime can do, as JSON",
		about: "Everything is asked of the tables and the compiler that containers are made with.",
		run: func(a *app, _ []string) (int, error) {
			return 0, printJSON(a.out, whatWorks(), "  ")
		},
	}
}

// whatWorks is the answer. Source: OCI runtime-spec, features.md and features-linux.md.
func whatWorks() *features.Features {
	yes := func(b bool) *bool { return &b }
	info := version.Get()
	return &features.Features{
		OCIVersionMin: "1.0.0", OCIVersionMax: specVersion,
		Hooks:        workingHooks(),
		MountOptions: compile.MountOptions(),
		Linux: &features.Linux{
			Namespaces:   compile.Namespaces(),
			Capabilities: compile.Capabilities(),
			Cgroup:       &features.Cgroup{V1: yes(true), V2: yes(true), Systemd: yes(true), SystemdUser: yes(true), Rdma: yes(true)},
			Seccomp:      workingSeccomp(),
			Apparmor:     &features.Apparmor{Enabled: yes(true)},
			Selinux:      &features.Selinux{Enabled: yes(true)},
			IntelRdt: &features.IntelRdt{Enabled: yes(works(func(s *specs.Spec) {
				s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "probe"}
			}))},
			MemoryPolicy:    workingPolicies(),
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: yes(true)}},
			NetDevices: &features.NetDevices{Enabled: yes(works(func(s *specs.Spec) {
				s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"lo": {Name: "lo1"}}
			}))},
		},
		Annotations: map[string]string{
			"org.opencontainers.runc.version": info.Version, "org.opencontainers.runc.commit": orUnknown(info.GitCommit),
			"org.opencontainers.runc.checkpoint.enabled": boolText(find("checkpoint") != nil),
		},
		PotentiallyUnsafeConfigAnnotations: unsafeAnnotations,
	}
}

// unsafeAnnotations are those of a configuration that change what the runtime does.
var unsafeAnnotations = []string{"org.systemd.property."}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// works says that the compiler does not call a field unsupported. It changes nothing and opens
// nothing but what the field itself names.
func works(change func(*specs.Spec)) bool {
	s := &specs.Spec{
		Version: specs.Version, Root: &specs.Root{Path: "/"}, Process: &specs.Process{Args: []string{"probe"}, Cwd: "/"},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.PIDNamespace}}},
	}
	change(s)
	_, handles, err := compile.Container(s, compile.Options{Bundle: "/"})
	if err == nil {
		handles.Close()
	}
	return !errors.Is(err, errdefs.ErrUnsupported)
}

func workingHooks() []string {
	hook := []specs.Hook{{Path: "/bin/true"}}
	out := []string{} // not null: none is an answer too
	for _, h := range []struct {
		name string
		hook specs.Hooks
	}{
		//lint:ignore SA1019 it is still in configurations
		{"prestart", specs.Hooks{Prestart: hook}},
		{"createRuntime", specs.Hooks{CreateRuntime: hook}},
		{"createContainer", specs.Hooks{CreateContainer: hook}},
		{"startContainer", specs.Hooks{StartContainer: hook}},
		{"poststart", specs.Hooks{Poststart: hook}},
		{"poststop", specs.Hooks{Poststop: hook}},
	} {
		if works(func(s *specs.Spec) { s.Hooks = &h.hook }) {
			out = append(out, h.name)
		}
	}
	return out
}

func workingSeccomp() *features.Seccomp {
	enabled := true
	out := &features.Seccomp{Enabled: &enabled, Archs: seccomp.Archs()}
	for _, a := range []specs.LinuxSeccompAction{
		specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActLog, specs.ActNotify,
		specs.ActTrace, specs.ActTrap,
	} {
		if seccomp.Works(a, specs.OpEqualTo) {
			out.Actions = append(out.Actions, string(a))
		}
	}
	for _, op := range []specs.LinuxSeccompOperator{
		specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpLessEqual, specs.OpLessThan, specs.OpMaskedEqual, specs.OpNotEqual,
	} {
		if seccomp.Works(specs.ActErrno, op) {
			out.Operators = append(out.Operators, string(op))
		}
	}
	for _, f := range []struct {
		name specs.LinuxSeccompFlag
		flag uint
	}{
		{"SECCOMP_FILTER_FLAG_TSYNC", unix.SECCOMP_FILTER_FLAG_TSYNC},
		{specs.LinuxSeccompFlagLog, unix.SECCOMP_FILTER_FLAG_LOG},
		{specs.LinuxSeccompFlagSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{specs.LinuxSeccompFlagWaitKillableRecv, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	} {
		// The last one makes sense with a listener alone.
		if !seccomp.Works(specs.ActErrno, specs.OpEqualTo, f.name) && !seccomp.Works(specs.ActNotify, specs.OpEqualTo, f.name) {
			continue
		}
		out.KnownFlags = append(out.KnownFlags, string(f.name))
		if seccomp.KernelTakes(f.flag) {
			out.SupportedFlags = append(out.SupportedFlags, string(f.name))
		}
	}
	return out
}

func workingPolicies() *features.MemoryPolicy {
	out := &features.MemoryPolicy{Modes: []string{}, Flags: []string{}}
	probe := func(p specs.LinuxMemoryPolicy) bool {
		return works(func(s *specs.Spec) { s.Linux.MemoryPolicy = &p })
	}
	for _, m := range []specs.MemoryPolicyModeType{
		specs.MpolDefault, specs.MpolBind, specs.MpolInterleave, specs.MpolWeightedInterleave, specs.MpolPreferred, specs.MpolPreferredMany, specs.MpolLocal,
	} {
		if probe(specs.LinuxMemoryPolicy{Mode: m}) {
			out.Modes = append(out.Modes, string(m))
		}
	}
	for _, f := range []specs.MemoryPolicyFlagType{specs.MpolFNumaBalancing, specs.MpolFRelativeNodes, specs.MpolFStaticNodes} {
		if probe(specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Flags: []specs.MemoryPolicyFlagType{f}}) {
			out.Flags = append(out.Flags, string(f))
		}
	}
	return out
}
