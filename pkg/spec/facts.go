package spec

import (
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// InitInside is where a container with --init sees the init program. The spec's arguments are
// the user's alone: the runtime puts the init before them once it has found the program, so
// that a missing one is still a fact with exit code 127.
const InitInside = "/run/manager-init"

// Facts are what only this start knows. Everything was resolved, opened or mounted by
// the core; Generate does no look-up of its own.
type Facts struct {
	// OCIVersion is what the spec claims to follow; "" is the version of runtime-spec built in.
	// Old external runtimes refuse newer ones (crun 1.8 takes 1.0.2).
	OCIVersion string
	// RootfsPath is the mounted root filesystem, absolute.
	RootfsPath string
	// User is who the process is, as found inside the rootfs.
	User UserFacts
	// NamespacePaths are the files of namespaces to join (modes container and ns), and of the container's own that are there
	// already, by type.
	NamespacePaths map[specs.LinuxNamespaceType]string
	// Files are what the engine provides: destination inside the container to the file on the
	// host (/etc/resolv.conf, /etc/hosts, /etc/hostname, /run/.containerenv, /etc/passwd, …).
	// A mount of the user at the same destination wins.
	Files map[string]string
	// MountSources are host paths to bind, by destination: volumes' mountpoints, mounted images,
	// prepared overlays, resolved subpaths. A plain bind mount needs no entry.
	MountSources map[string]string
	// ShmPath is a host directory to bind on /dev/shm, so that a shareable ipc namespace shares it
	// too. "" makes a tmpfs.
	ShmPath string
	// CgroupPath is the container's cgroup below the hierarchies' mount points; "" is none.
	CgroupPath string
	// SystemdCgroups are the directories on the host of the hierarchies that systemd manages where
	// the controllers are on version 1: the one called name=systemd and the unified one beside.
	SystemdCgroups []string
	// CgroupV2 says that controllers are on the unified hierarchy.
	CgroupV2 bool
	// InitPath is the init program on the host; needed with --init.
	InitPath string
	// Seccomp is the filter; nil is none. See the function Seccomp.
	Seccomp *specs.LinuxSeccomp
	// Devices are the nodes to make, expanded from Security.Devices (and from the host's /dev when
	// privileged), with what the cgroup shall allow.
	Devices []DeviceNode
	// BindDevices binds the host's nodes instead of making new ones: rootless cannot make any.
	BindDevices bool
	// Rlimits are the hard limits that this start can give, by name; a limit above is lowered to
	// it. A missing name lowers nothing. The host may have changed since create.
	Rlimits map[string]uint64
	// NoHostQueues says that the host has no /dev/mqueue to bind.
	NoHostQueues bool
	// Rootless says that the caller is not root on the host: no device rules, no gid=5 on devpts.
	Rootless bool
	// NotifyDir is a directory on the host with the container's notify socket; "" is none.
	NotifyDir string
	// Watchdog is how often a service manager wants a sign of life of the program; 0 is never.
	Watchdog time.Duration
	// ListenFDs is how many sockets of a service manager the program gets from descriptor 3 on, ListenNames their
	// names as in LISTEN_FDNAMES, or "". Source: sd_listen_fds(3).
	ListenFDs   int
	ListenNames string
	// ApplyCDI edits the finished spec for the CDI devices named; nil makes them an error.
	ApplyCDI func(spec *specs.Spec, names []string) error
	// Annotations are the core's own, over those of Config.
	Annotations map[string]string
}

// UserFacts is a user as pkg/lookup finds it.
type UserFacts struct {
	UID, GID uint32
	// Additional are the supplementary groups, the primary one included.
	Additional []uint32
	// Home is the home directory; "" is "/".
	Home string
}

// DeviceNode is one device node of the container.
type DeviceNode struct {
	specs.LinuxDevice
	// Host is the node on the host.
	Host string
	// Permissions are what the cgroup allows: of r, w and m.
	Permissions string
}
