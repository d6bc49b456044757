package spec

import (
	"path"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// namespaces settles the modes of ipc, pid, uts and cgroup.
func (d *decider) namespaces() error {
	ns := &d.cfg.Namespaces
	cgroupDefault := NSHost
	if d.host.CgroupV2 {
		cgroupDefault = NSPrivate
	}
	for _, one := range []struct {
		option, word, fallback string
		builtin                NamespaceMode
		out                    *Namespace
		modes                  string
	}{
		{"--ipc", d.req.Namespace.IPC, d.def.IPCNS, NSPrivate, &ns.IPC, "private shareable none host container ns"},
		{"--pid", d.req.Namespace.PID, d.def.PIDNS, NSPrivate, &ns.PID, "private host container ns"},
		{"--uts", d.req.Namespace.UTS, d.def.UTSNS, NSPrivate, &ns.UTS, "private host container ns"},
		{"--cgroupns", d.req.Namespace.CgroupNS, d.def.CgroupNS, cgroupDefault, &ns.Cgroup, "private host container ns"},
	} {
		word := one.word
		if word == "" {
			word = one.fallback
		}
		if word == "" {
			one.out.Mode = one.builtin
			continue
		}
		got, err := d.namespace(one.option, word, one.modes)
		if err != nil {
			return err
		}
		*one.out = got
	}
	if d.cfg.Process.Init && !ns.PID.private() {
		return errdefs.New(errdefs.ErrInvalid, "", "", "the pid namespace is not the container's own (--pid=%s), so an init cannot be process 1", ns.PID.Mode).WithOp("--init").
			WithHint("leave --init or --pid out")
	}
	return d.checkIPC()
}

// namespace reads MODE, container:NAME or ns:PATH; modes lists the words allowed.
func (d *decider) namespace(option, word, modes string) (Namespace, error) {
	mode, target, hasTarget := strings.Cut(word, ":")
	hint := "write " + strings.ReplaceAll(strings.NewReplacer("container", "container:NAME", "ns", "ns:PATH").Replace(modes), " ", ", ")
	if !strings.Contains(" "+modes+" ", " "+mode+" ") {
		return Namespace{}, errdefs.Invalid(option, word, "unknown mode").WithHint("%s", hint)
	}
	switch NamespaceMode(mode) {
	case NSContainer:
		p, err := d.peer(option, target)
		if err != nil {
			return Namespace{}, err
		}
		if why := d.foreign(option, p); why != nil {
			return Namespace{}, why
		}
		return Namespace{Mode: NSContainer, Target: p.ID}, nil
	case NSPath:
		if !path.IsAbs(target) {
			return Namespace{}, errdefs.Invalid(option, word, "the namespace's path is not absolute").WithHint("write ns:/PATH")
		}
		return Namespace{Mode: NSPath, Target: path.Clean(target)}, nil
	default:
		if hasTarget {
			return Namespace{}, errdefs.Invalid(option, word, "%s takes nothing after ':'", mode).WithHint("%s", hint)
		}
		return Namespace{Mode: NamespaceMode(mode)}, nil
	}
}

// foreign refuses to join a pid or ipc namespace that belongs to another user namespace than the container's own:
// the kernel would not mount /proc and /dev/mqueue.
func (d *decider) foreign(option string, p *Peer) error {
	u, theirs := &d.cfg.UserNS, &p.Config.UserNS
	if !u.Own() || option != "--pid" && option != "--ipc" || u.Target == p.ID || u.Target != "" && u.Target == theirs.Target {
		return nil
	}
	return errdefs.Invalid(option, "container:"+p.ID[:min(len(p.ID), 12)], "that container has another user namespace than this one").
		WithHint("add --userns=container:NAME of the same container, or leave %s out", option)
}

// checkIPC refuses to join an ipc namespace that is kept to itself.
func (d *decider) checkIPC() error {
	ns := d.cfg.Namespaces.IPC
	if ns.Mode != NSContainer {
		return nil
	}
	p, err := d.peer("--ipc", ns.Target)
	if err != nil {
		return err
	}
	switch p.Config.Namespaces.IPC.Mode {
	case NSShareable, NSHost, NSContainer, NSPath:
		return nil
	default:
		return errdefs.Invalid("--ipc", d.req.Namespace.IPC, "that container keeps its ipc namespace to itself").
			WithHint("make it with --ipc=shareable")
	}
}

// private reports whether a namespace is the container's own.
func (n Namespace) private() bool {
	return n.Mode == NSPrivate || n.Mode == NSShareable || n.Mode == NSNone
}
