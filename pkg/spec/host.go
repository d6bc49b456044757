package spec

import (
	"time"

	"github.com/manager-project/manager/pkg/idmap"
)

// ImageConfig is the part of an image's configuration that a container takes over.
// It is hostile input: nothing in it may reach the host or steer the engine.
// Source: OCI image-spec, config.md.
type ImageConfig struct {
	// Ref names the image.
	Ref ImageRef
	// Env are K=V entries; others are dropped with a warning.
	Env []string
	// Entrypoint and Cmd are the default program.
	Entrypoint []string
	Cmd        []string
	// User is "[user|uid][:group|gid]"; "" is root.
	User string
	// WorkingDir is taken from "/" when it is relative; "" is "/".
	WorkingDir string
	// Volumes are destinations that want a volume of their own.
	Volumes []string
	// ExposedPorts are "PORT[/PROTOCOL]".
	ExposedPorts []string
	Labels       map[string]string
	// StopSignal is a name or number; "" is SIGTERM.
	StopSignal string
	// Health is its healthcheck, or nil.
	Health *ImageHealth
}

// Defaults are the host administrator's answers for what a Request leaves out,
// usually from containers.conf. Builtin gives the values without any file.
type Defaults struct {
	// Capabilities is the bounding set before --cap-add and --cap-drop.
	Capabilities []string
	// Ulimits are NAME=SOFT[:HARD]; lowered to the host's hard limits when above them.
	Ulimits []string
	// Env are K=V entries below the image's.
	Env []string
	// EnvHost and HTTPProxy switch --env-host and --http-proxy on.
	EnvHost bool
	// PidsLimit is the most tasks; 0 or less is no limit.
	PidsLimit int64
	// ShmSize is in bytes.
	ShmSize int64
	// LogDriver is one of the Log constants.
	LogDriver string
	// LogSizeMax is in bytes; 0 or less is no limit.
	LogSizeMax int64
	// LogPath is a directory for logs, or ""; LogTag goes with every line of drivers that have tags.
	LogPath string
	LogTag  string
	// DNS, DNSOptions and DNSSearch go into resolv.conf.
	DNS        []string
	DNSOptions []string
	DNSSearch  []string
	// Volumes are as --volume, Mounts as --mount; a user's mount at the same place wins.
	Volumes []string
	Mounts  []string
	// Devices are as --device.
	Devices []string
	// Annotations are KEY=VALUE.
	Annotations []string
	// Umask is octal text.
	Umask string
	// TZ is "local", a zone name, or "".
	TZ string
	// Init runs an init in every container; InitPath is its program, "" is our own.
	Init     bool
	InitPath string
	// SeccompProfile is "", "default", "unconfined", or a path.
	SeccompProfile string
	// AppArmorProfile is a profile's name, "unconfined", or "" for the host's default.
	AppArmorProfile string
	// NoLabel turns SELinux separation off.
	NoLabel bool
	// NoNewPrivileges sets no_new_privs.
	NoNewPrivileges bool
	// Privileged and ReadOnly are as the options.
	Privileged bool
	ReadOnly   bool
	// CgroupNS, IPCNS, PIDNS, UTSNS, NetNS are namespace modes; "" is the built-in answer.
	CgroupNS, IPCNS, PIDNS, UTSNS, NetNS string
	// UserNS is as --userns.
	UserNS string
	// RootlessNetwork is the network of a user's container, pasta or slirp4netns; "" is the first that is there.
	RootlessNetwork string
	// Cgroups is enabled, disabled, no-conmon or split; "" is enabled.
	Cgroups string
	// CgroupConf are KEY=VALUE pairs for version 2.
	CgroupConf []string
	// Sysctls are KEY=VALUE; those whose namespace is not private are left out.
	Sysctls []string
	// OOMScoreAdj is the process's, or nil.
	OOMScoreAdj *int
	// StopTimeout is in seconds.
	StopTimeout uint
	// BaseHostsFile is a path, "none", "image", or "" for the host's.
	BaseHostsFile string
	// NoHosts leaves /etc/hosts alone.
	NoHosts bool
	// ImageVolume is anonymous, tmpfs or ignore; "" is anonymous.
	ImageVolume string
}

// Host holds the facts about this machine and its other containers that Decide needs.
// The functions are the only way in which Decide sees anything outside its arguments.
type Host struct {
	// Cwd is the caller's working directory, absolute.
	Cwd string
	// Environ is the caller's environment.
	Environ []string
	// Hostname is the machine's name.
	Hostname string
	// ReadFile reads a file that the user named (env, label and seccomp files).
	ReadFile func(path string) ([]byte, error)
	// PathExists reports whether a bind mount's source is there; nil skips the question.
	PathExists func(path string) bool
	// ZoneExists reports whether a time zone is known; nil skips the question.
	ZoneExists func(name string) bool
	// DeviceNumber gives the numbers of a device node (for I/O limits).
	DeviceNumber func(path string) (major, minor int64, err error)
	// Rlimits are the caller's limits by RLIMIT_ name. A missing name is unlimited.
	Rlimits map[string]Limit
	// CanRaiseRlimits says that the caller has CAP_SYS_RESOURCE.
	CanRaiseRlimits bool
	// Capabilities are those that can be given at all (CAP_… names); nil means all known ones.
	Capabilities []string
	// CgroupV2 says that controllers are on the unified hierarchy.
	CgroupV2 bool
	// CgroupManagerSystemd says that systemd makes the cgroups of new containers.
	CgroupManagerSystemd bool
	// Controllers are the cgroup controllers that can be used; nil means all.
	Controllers map[string]bool
	// IntelRDT says that the kernel can put a process into an RDT class of service.
	IntelRDT bool
	// OOMScoreAdj is the caller's own; only a caller that can raise limits may give a lower one.
	OOMScoreAdj int
	// Journal says that the system's journal takes messages.
	Journal bool
	// SELinux and AppArmor say that the module is active.
	SELinux  bool
	AppArmor bool
	// AppArmorLacks says that a profile is not loaded; nil skips the question.
	AppArmorLacks func(profile string) bool
	// AppArmorDefault is the profile for containers for which none is named; "" is none.
	AppArmorDefault string
	// Rootless says that the caller is not root on the host.
	Rootless bool
	// UID and GID are the caller's own on the host.
	UID, GID uint32
	// OwnIDs are the maps of the user namespace that the engine works in: what can be mapped, and what it is on
	// the host. nil is the host's.
	OwnIDs func() (uids, gids idmap.Map, err error)
	// Subids are the subordinate ids that the host gives a name. Source: subuid(5).
	Subids func(kind idmap.Kind, name string) ([]idmap.Span, error)
	// NamespaceIDs are the maps of a user namespace, by its file.
	NamespaceIDs func(path string) (uids, gids idmap.Map, err error)
	// SystemdCgroups are the cgroup directories for systemd beside controllers of version 1: see Facts.
	SystemdCgroups []string
	// ThrottlePaths are the existing /sys/devices/system/cpu/cpu*/thermal_throttle directories.
	ThrottlePaths []string
	// FindContainer resolves a name or id.
	FindContainer func(nameOrID string) (*Peer, error)
	// FindNetwork chooses the driver of a user's network; preferred is the administrator's choice, or "".
	FindNetwork func(preferred string) (string, error)
	// FreePort finds a port of the host that nobody listens on. ip "" is all addresses; taken says that a
	// port is out of the question all the same.
	FreePort func(ip, protocol string, taken func(uint16) bool) (uint16, error)
	// FindHostUser fails when the host has no such user (--hostuser).
	FindHostUser func(name string) error
	// Now is the time of creation.
	Now time.Time
	// NewID makes a random 64-digit id.
	NewID func() string
}

// Peer is another container, as far as this one may refer to it.
type Peer struct {
	ID     string
	Config *Config
}

// lookupEnv finds a variable in the caller's environment; the last entry wins.
func (h *Host) lookupEnv(key string) (string, bool) {
	for i := len(h.Environ) - 1; i >= 0; i-- {
		if k, v, ok := cutEnv(h.Environ[i]); ok && k == key {
			return v, true
		}
	}
	return "", false
}

// Builtin are the defaults of a host without containers.conf.
func Builtin() *Defaults {
	return &Defaults{
		Capabilities: []string{
			"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
			"CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
		},
		PidsLimit:   2048,
		ShmSize:     64 << 20,
		LogDriver:   LogK8sFile,
		LogSizeMax:  DefaultLogSize,
		Umask:       "0022",
		StopTimeout: 10,
		Sysctls:     []string{"net.ipv4.ping_group_range=0 0"},
	}
}
