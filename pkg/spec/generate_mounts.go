package spec

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// mounts lists the kernel's filesystems, the engine's files and what was asked for.
// Parents come before what lies below them; at one destination the user's mount wins,
// and a /dev or /sys of the user's replaces everything of ours below it.
func (g *generator) mounts() error {
	asked, err := g.askedMounts()
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, m := range asked {
		taken[m.Destination] = true
	}
	ownDev, ownSys := taken["/dev"], taken["/sys"]
	var list []specs.Mount
	for _, m := range slices.Concat(g.kernelMounts(), g.systemdMounts(), g.readOnlyTmpfs(), g.engineFiles(), g.notifyMount(), g.deviceBinds()) {
		if taken[m.Destination] || ownDev && strings.HasPrefix(m.Destination, "/dev/") || ownSys && strings.HasPrefix(m.Destination, "/sys/") {
			continue
		}
		taken[m.Destination] = true
		list = append(list, m)
	}
	list = append(list, asked...)
	g.labelRoots(list)
	sort.SliceStable(list, func(i, j int) bool {
		return strings.Count(list[i].Destination, "/") < strings.Count(list[j].Destination, "/")
	})
	g.spec.Mounts = list
	g.spec.Linux.RootfsPropagation = propagationOf(asked)
	return nil
}

// kernelMounts are what every Linux program expects. Source: config-linux.md, "Default Filesystems".
func (g *generator) kernelMounts() []specs.Mount {
	access := "ro"
	if g.cfg.Security.Privileged {
		access = "rw"
	}
	devMode := "rw"
	if g.cfg.Rootfs.ReadOnly && !g.cfg.Rootfs.ReadOnlyTmpfs {
		devMode = "ro"
	}
	pts := []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
	if g.hasTTYGroup() {
		pts = append(pts, "gid=5")
	}
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: append([]string{"nosuid", "noexec", "nodev"}, g.cfg.Security.ProcOptions...)},
		// 64 MiB hold any number of nodes; the limit is against filling memory with files.
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=65536k", devMode}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", access}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: pts},
	}
	if g.confined() && !g.cfg.Net.Namespace.private() {
		// The kernel mounts a sysfs only for the owner of the network namespace.
		list[2] = specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "rslave", "nosuid", "noexec", "nodev", access}}
	}
	if g.confined() && g.cfg.Namespaces.PID.Mode == NSHost {
		// And a procfs only for the owner of the pid namespace.
		list[0] = specs.Mount{Destination: "/proc", Type: "bind", Source: "/proc", Options: []string{"rbind", "rslave", "nosuid", "noexec", "nodev"}}
	}
	list = append(list, g.ipcMounts(devMode)...)
	if g.cfg.Security.LabelNested() {
		// Writable: libselinux takes a read-only one for none.
		list = append(list, specs.Mount{Destination: selinuxDir, Type: "bind", Source: selinuxDir, Options: []string{"bind", "rprivate", "nosuid", "noexec", "nodev"}})
	}
	if g.cfg.Limits.Disabled {
		return list
	}
	if g.cfg.Process.Systemd && g.facts.CgroupV2 {
		access = "rw"
	}
	return append(list, specs.Mount{
		Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup",
		Options: []string{"rprivate", "nosuid", "noexec", "nodev", "relatime", access},
	})
}

// hasTTYGroup says that terminals can belong to group 5, which is tty wherever it has a fixed number. The group has to
// be known in the container's namespace, and on the host.
func (g *generator) hasTTYGroup() bool {
	if g.facts.Rootless {
		return false
	}
	_, ok := g.cfg.UserNS.GIDs.ToOutside(5)
	return ok || !g.cfg.UserNS.Own()
}

// ipcMounts are the message queues and shared memory that go with the ipc namespace.
func (g *generator) ipcMounts(devMode string) []specs.Mount {
	ns := g.cfg.Namespaces.IPC
	mqueue := specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}}
	bind := func(src string) specs.Mount {
		return specs.Mount{Destination: "/dev/shm", Type: "bind", Source: src, Options: []string{"rbind", "rprivate", "nosuid", "noexec", "nodev", devMode}}
	}
	switch {
	case ns.Mode == NSHost && !g.confined():
		// A new mount shows the queues of the namespace; the host need not have one of its own.
		return []specs.Mount{mqueue, bind("/dev/shm")}
	case ns.Mode == NSHost:
		if g.facts.NoHostQueues {
			return []specs.Mount{bind("/dev/shm")}
		}
		mqueue = specs.Mount{Destination: "/dev/mqueue", Type: "bind", Source: "/dev/mqueue", Options: []string{"bind", "nosuid", "noexec", "nodev"}}
		return []specs.Mount{mqueue, bind("/dev/shm")}
	case ns.Mode == NSNone:
		return []specs.Mount{mqueue}
	case g.facts.ShmPath != "":
		return []specs.Mount{mqueue, bind(g.facts.ShmPath)}
	}
	options := []string{"nosuid", "noexec", "nodev", "mode=1777", devMode}
	if g.cfg.ShmSize > 0 {
		options = append(options, "size="+strconv.FormatInt(g.cfg.ShmSize, 10))
	}
	return []specs.Mount{mqueue, {Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: options}}
}

// readOnlyTmpfs keeps a read-only container's usual scratch places writable.
func (g *generator) readOnlyTmpfs() []specs.Mount {
	if !g.cfg.Rootfs.ReadOnly || !g.cfg.Rootfs.ReadOnlyTmpfs {
		return nil
	}
	var list []specs.Mount
	for _, dst := range []string{"/run", "/tmp", "/var/tmp"} {
		list = append(list, specs.Mount{
			Destination: dst, Type: "tmpfs", Source: "tmpfs",
			Options: []string{"rw", "rprivate", "nosuid", "nodev", "tmpcopyup"},
		})
	}
	return list
}

// engineFiles are bound one by one; read-only where the root is.
func (g *generator) engineFiles() []specs.Mount {
	files := g.facts.Files
	dsts := make([]string, 0, len(files)+1)
	for dst := range files {
		dsts = append(dsts, dst)
	}
	sort.Strings(dsts)
	mode := "rw"
	if g.cfg.Rootfs.ReadOnly {
		mode = "ro"
	}
	var list []specs.Mount
	for _, dst := range dsts {
		list = append(list, specs.Mount{Destination: dst, Type: "bind", Source: files[dst], Options: []string{"bind", "rprivate", "nosuid", "nodev", mode}})
	}
	if g.cfg.Process.Init {
		list = append(list, specs.Mount{Destination: InitInside, Type: "bind", Source: g.facts.InitPath, Options: []string{"bind", "rprivate", "ro", "nosuid", "nodev"}})
	}
	return list
}

func (g *generator) deviceBinds() []specs.Mount {
	if !g.facts.BindDevices {
		return nil
	}
	var list []specs.Mount
	for _, dev := range g.facts.Devices {
		list = append(list, specs.Mount{Destination: dev.Path, Type: "bind", Source: dev.Host, Options: []string{"bind", "rprivate", "nosuid", "noexec"}})
	}
	return list
}

// askedMounts turns the Config's mounts into the runtime's.
func (g *generator) askedMounts() ([]specs.Mount, error) {
	var list []specs.Mount
	for _, m := range g.cfg.Mounts {
		out := specs.Mount{
			Destination: m.Destination, Options: slices.Clone(m.Options),
		}
		uids, gids, err := m.IDMap.Of(&g.cfg.UserNS)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Destination, err)
		}
		out.UIDMappings, out.GIDMappings = slices.Clone(uids), slices.Clone(gids)
		switch m.Kind {
		case MountTmpfs, MountRamfs, MountDevpts:
			out.Type, out.Source = string(m.Kind), string(m.Kind)
			if m.CopyUp {
				out.Options = append(out.Options, "tmpcopyup")
			}
		default:
			out.Type, out.Source = "bind", g.facts.MountSources[m.Destination]
			if out.Source == "" && m.Kind == MountBind && !m.Overlay {
				out.Source = m.Source
			}
			if out.Source == "" {
				return nil, g.missing("host path for the mount at %s", m.Destination)
			}
			if !slices.Contains(out.Options, "rbind") && !slices.Contains(out.Options, "bind") {
				out.Options = append([]string{"rbind"}, out.Options...)
			}
		}
		list = append(list, out)
	}
	return list, nil
}

// labelRoots gives the roots of new file systems their label where the container may give labels itself. Otherwise the whole
// file system gets one, by the runtime, which cannot be changed inside. Source: mount(8), "rootcontext".
func (g *generator) labelRoots(list []specs.Mount) {
	label := g.cfg.Security.MountLabel
	if label == "" || !g.cfg.Security.LabelNested() {
		return
	}
	for i := range list {
		switch m := &list[i]; m.Type {
		case "tmpfs", "ramfs":
			m.Options = append(m.Options, "rootcontext=\""+label+"\"")
		}
	}
}

// propagationOf is the root's propagation that a mount's own needs to work at all: the
// root must not be private when a mount shares or receives. "" leaves the runtime's default.
func propagationOf(mounts []specs.Mount) string {
	out := ""
	for _, m := range mounts {
		for _, o := range m.Options {
			switch o {
			case "shared", "rshared":
				return "shared"
			case "slave", "rslave":
				out = "rslave"
			}
		}
	}
	return out
}
