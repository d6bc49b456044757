package spec

import (
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// linux fills in what is neither process, namespace, mount nor device.
func (g *generator) linux() error {
	s, l := &g.cfg.Security, g.spec.Linux
	l.Sysctl = maps.Clone(s.Sysctl)
	l.Seccomp = g.facts.Seccomp
	l.MaskedPaths, l.ReadonlyPaths = slices.Clone(s.MaskedPaths), slices.Clone(s.ReadonlyPaths)
	if !s.LabelNested() {
		l.MountLabel = s.MountLabel
	}
	if !g.cfg.Limits.Disabled {
		l.CgroupsPath = g.facts.CgroupPath
	}
	if p := g.cfg.Process.Personality; p != "" {
		l.Personality = &specs.LinuxPersonality{Domain: specs.LinuxPersonalityDomain(p)}
	}
	if class := g.cfg.Limits.RdtClass; class != "" {
		l.IntelRdt = &specs.LinuxIntelRdt{ClosID: class}
	}
	if r := g.cfg.Limits.Resources; r != nil && !g.cfg.Limits.Disabled {
		copied := *r
		copied.Devices = nil
		l.Resources = &copied
	}
	return nil
}

// devices lists the nodes and what the cgroup allows: nothing, then the user's rules,
// then the container's own nodes. A privileged container may use every device.
func (g *generator) devices() error {
	rules := []specs.LinuxDeviceCgroup{{Allow: g.cfg.Security.Privileged, Access: "rwm"}}
	if g.cfg.Limits.Resources != nil {
		rules = append(rules, g.cfg.Limits.Resources.Devices...)
	}
	for _, dev := range g.facts.Devices {
		if !g.facts.BindDevices {
			g.spec.Linux.Devices = append(g.spec.Linux.Devices, dev.LinuxDevice)
		}
		major, minor := dev.Major, dev.Minor
		rules = append(rules, specs.LinuxDeviceCgroup{
			Allow: true, Type: dev.Type, Major: &major, Minor: &minor, Access: dev.Permissions,
		})
	}
	if res := g.spec.Linux.Resources; res != nil && !g.facts.Rootless {
		res.Devices = rules
	}
	return nil
}
