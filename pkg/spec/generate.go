package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Generate makes the OCI spec of one start. The result shares no memory with cfg.
//
// It fails (class invalid) when a fact is missing that the Config needs, and (class
// unsupported) for CDI devices without Facts.ApplyCDI.
// Source: OCI runtime-spec 1.3, config.md and config-linux.md.
func Generate(cfg *Config, facts *Facts) (*specs.Spec, error) {
	g := &generator{cfg: cfg, facts: facts}
	g.spec = &specs.Spec{
		Version:     specs.Version,
		Root:        &specs.Root{Path: facts.RootfsPath, Readonly: cfg.Rootfs.ReadOnly},
		Annotations: maps.Clone(cfg.Annotations),
		Linux:       &specs.Linux{},
	}
	if facts.OCIVersion != "" {
		g.spec.Version = facts.OCIVersion
	}
	for _, part := range []func() error{g.process, g.namespaces, g.mounts, g.linux, g.devices} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	for k, v := range facts.Annotations {
		if g.spec.Annotations == nil {
			g.spec.Annotations = map[string]string{}
		}
		g.spec.Annotations[k] = v
	}
	if names := cfg.Security.CDIDevices; len(names) > 0 {
		if facts.ApplyCDI == nil {
			return nil, errdefs.Unsupported("--device", "%s: CDI devices cannot be used here", names[0])
		}
		if err := facts.ApplyCDI(g.spec, names); err != nil {
			return nil, err
		}
	}
	return g.spec, nil
}

// keepGroupsAnnotation, with "1", has the runtime leave the supplementary groups as they are. It is crun's.
const keepGroupsAnnotation = "run.oci.keep_original_groups"

// confined says that the container's user namespace owns less than the host's: what the kernel gives only to a
// namespace's owner has to be bound then, and devices cannot be made.
func (g *generator) confined() bool { return g.facts.Rootless || g.cfg.UserNS.Own() }

// generator carries the inputs and the spec through its parts.
type generator struct {
	cfg   *Config
	facts *Facts
	spec  *specs.Spec
}

// missing says that the core did not provide a fact.
func (g *generator) missing(format string, args ...any) error {
	return errdefs.New(errdefs.ErrInvalid, "container", g.cfg.ID, "no "+format, args...)
}

func (g *generator) process() error {
	p, u := &g.cfg.Process, g.facts.User
	proc := &specs.Process{
		Terminal: p.Terminal,
		User:     specs.User{UID: u.UID, GID: u.GID, AdditionalGids: slices.Clone(u.Additional)},
		Args:     slices.Clone(p.Args),
		Env:      g.environment(),
		Cwd:      p.Workdir,

		NoNewPrivileges: g.cfg.Security.NoNewPrivileges,
		ApparmorProfile: g.cfg.Security.AppArmor,
		SelinuxLabel:    g.cfg.Security.ProcessLabel,
		Capabilities:    g.capabilities(),
	}
	if proc.ApparmorProfile == "unconfined" {
		proc.ApparmorProfile = ""
	}
	if p.OOMScoreAdj != nil {
		adj := *p.OOMScoreAdj
		proc.OOMScoreAdj = &adj
	}
	if p.Umask != "" {
		mask, err := ParseUmask(p.Umask)
		if err != nil {
			return err
		}
		proc.User.Umask = &mask
	}
	if p.KeepGroups {
		proc.User.AdditionalGids = nil
		if g.spec.Annotations == nil {
			g.spec.Annotations = map[string]string{}
		}
		g.spec.Annotations[keepGroupsAnnotation] = "1"
	}
	for _, l := range p.Rlimits {
		if hard, ok := g.facts.Rlimits[l.Type]; ok {
			l.Hard = min(l.Hard, hard)
			l.Soft = min(l.Soft, l.Hard)
		}
		proc.Rlimits = append(proc.Rlimits, specs.POSIXRlimit{Type: l.Type, Soft: l.Soft, Hard: l.Hard})
	}
	if p.Init && g.facts.InitPath == "" {
		return g.missing("init program")
	}
	g.spec.Process = proc
	return nil
}

// environment adds what only a start knows, below what the container sets itself.
func (g *generator) environment() []string {
	env := slices.Clone(g.cfg.Process.Env)
	has := func(key string) bool {
		return slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, key+"=") })
	}
	home := g.facts.User.Home
	if home == "" {
		home = "/"
	}
	uuid := ""
	if g.cfg.Process.Systemd {
		uuid = machineUUID(g.cfg.ID)
	}
	for _, kv := range [][2]string{{"container", "manager"}, {"container_uuid", uuid}, {"HOME", home}, {"HOSTNAME", g.cfg.Net.Hostname}} {
		if kv[1] != "" && !has(kv[0]) {
			env = append(env, kv[0]+"="+kv[1])
		}
	}
	return g.serviceEnv(env)
}

// capabilities gives root the whole set. Others have it as bounding set only, but for
// what --cap-add names: that is given through the ambient set, which needs the
// inheritable one. Without --cap-add both stay empty.
func (g *generator) capabilities() *specs.LinuxCapabilities {
	s := &g.cfg.Security
	c := &specs.LinuxCapabilities{Bounding: slices.Clone(s.Capabilities)}
	if g.facts.User.UID == 0 {
		c.Effective, c.Permitted = slices.Clone(s.Capabilities), slices.Clone(s.Capabilities)
		return c
	}
	if s.Privileged {
		return c
	}
	all := slices.Contains(s.CapAdd, allWord)
	for _, name := range s.Capabilities {
		if all || slices.Contains(s.CapAdd, name) {
			c.Effective = append(c.Effective, name)
		}
	}
	c.Permitted, c.Inheritable, c.Ambient = slices.Clone(c.Effective), slices.Clone(c.Effective), slices.Clone(c.Effective)
	return c
}

// namespaces lists those to make or to join. A mount namespace is always made.
func (g *generator) namespaces() error {
	list := []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	for _, one := range []struct {
		kind specs.LinuxNamespaceType
		ns   Namespace
	}{
		{specs.PIDNamespace, g.cfg.Namespaces.PID},
		{specs.IPCNamespace, g.cfg.Namespaces.IPC},
		{specs.UTSNamespace, g.cfg.Namespaces.UTS},
		{specs.NetworkNamespace, g.cfg.Net.Namespace},
		{specs.CgroupNamespace, g.cfg.Namespaces.Cgroup},
	} {
		switch one.ns.Mode {
		case NSHost:
			continue
		case NSContainer, NSPath:
			file := g.facts.NamespacePaths[one.kind]
			if file == "" && one.ns.Mode == NSPath {
				file = one.ns.Target
			}
			if file == "" {
				return g.missing("path of the %s namespace to join", one.kind)
			}
			list = append(list, specs.LinuxNamespace{Type: one.kind, Path: file})
		case NSPrivate, NSShareable, NSNone:
			list = append(list, specs.LinuxNamespace{Type: one.kind, Path: g.facts.NamespacePaths[one.kind]})
		default:
			return fmt.Errorf("%s namespace has no mode: %w", one.kind, errdefs.ErrCorrupt)
		}
	}
	if u := &g.cfg.UserNS; u.Own() {
		file := g.facts.NamespacePaths[specs.UserNamespace]
		if u.Mode != NSPrivate && file == "" {
			return g.missing("path of the user namespace to join")
		}
		list = append(list, specs.LinuxNamespace{Type: specs.UserNamespace, Path: file})
		g.spec.Linux.UIDMappings = slices.Clone(u.UIDs)
		g.spec.Linux.GIDMappings = slices.Clone(u.GIDs)
	}
	g.spec.Linux.Namespaces = list
	if g.cfg.Namespaces.UTS.private() {
		g.spec.Hostname = g.cfg.Net.Hostname
	}
	return nil
}
