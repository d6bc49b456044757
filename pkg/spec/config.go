package spec

import (
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Config is everything about a container that was decided at create. Nothing changes it but the
// user, by rename and update. It is stored as JSON with the container; fields are only ever added.
type Config struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// CreateCommand is the user's command line, for inspect.
	CreateCommand []string `json:"create_command,omitempty"`

	Image   ImageRef          `json:"image"`
	Labels  map[string]string `json:"labels,omitempty"`
	Process Process           `json:"process"`
	Mounts  []Mount           `json:"mounts,omitempty"`
	Rootfs  Rootfs            `json:"rootfs"`
	// ShmSize is the size in bytes of /dev/shm.
	ShmSize    int64      `json:"shm_size,omitempty"`
	Namespaces Namespaces `json:"namespaces"`
	// UserNS is the user namespace.
	UserNS   UserNS   `json:"user_ns,omitzero"`
	Net      Net      `json:"net"`
	Limits   Limits   `json:"limits"`
	Security Security `json:"security"`
	Life     Life     `json:"life"`
	Log      Log      `json:"log"`
	// Health is the healthcheck; nil is none.
	Health *Health `json:"health,omitempty"`
	// Annotations go into the OCI spec.
	Annotations map[string]string `json:"annotations,omitempty"`
	// Dependencies are ids of containers whose namespaces or volumes this one uses (--requires too).
	Dependencies []string `json:"dependencies,omitempty"`
	// Runtime launches the container, and does all else to it, as long as there is the container.
	Runtime Runtime `json:"runtime,omitzero"`
}

// Runtime is an OCI runtime. The zero value is the embedded one.
type Runtime struct {
	// Name is how the user called it: a name of containers.conf, or a path.
	Name string `json:"name,omitempty"`
	// Path is the absolute program that was found for it.
	Path string `json:"path,omitempty"`
	// Flags stand before its command, each with its dashes.
	Flags []string `json:"flags,omitempty"`
}

// ImageRef is the image a container was made from. All empty with --rootfs.
type ImageRef struct {
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Requested is what the user typed.
	Requested string `json:"requested,omitempty"`
}

// Rootfs says where the root filesystem comes from.
type Rootfs struct {
	// Path is the directory of --rootfs, absolute; empty for an image.
	Path string `json:"path,omitempty"`
	// Overlay puts a throw-away overlay over Path (--rootfs DIR:O).
	Overlay bool `json:"overlay,omitempty"`
	// IDMap maps the ids of Path's files (--rootfs DIR:idmap).
	IDMap *IDMap `json:"idmap,omitempty"`
	// ReadOnly makes / read-only in the container.
	ReadOnly bool `json:"read_only,omitempty"`
	// ReadOnlyTmpfs puts tmpfs on /tmp, /var/tmp, /run when ReadOnly.
	ReadOnlyTmpfs bool `json:"read_only_tmpfs,omitempty"`
}

// Process is the first process.
type Process struct {
	// Entrypoint and Command after the rules of image and options; Args is what runs.
	Entrypoint []string `json:"entrypoint,omitempty"`
	Command    []string `json:"command,omitempty"`
	Args       []string `json:"args"`
	// Env is complete but for what only a start knows (HOME, container=, HOSTNAME).
	Env     []string `json:"env,omitempty"`
	Workdir string   `json:"workdir"`
	// User is "[user|uid][:group|gid]", looked up inside the rootfs at each start; "" is root.
	User     string   `json:"user,omitempty"`
	GroupAdd []string `json:"group_add,omitempty"`
	// KeepGroups leaves the process the caller's supplementary groups (--group-add keep-groups).
	KeepGroups bool `json:"keep_groups,omitempty"`
	// Umask is octal text, e.g. "0022".
	Umask       string  `json:"umask,omitempty"`
	Terminal    bool    `json:"terminal,omitempty"`
	Stdin       bool    `json:"stdin,omitempty"`
	StdinOnce   bool    `json:"stdin_once,omitempty"`
	Init        bool    `json:"init,omitempty"`
	InitPath    string  `json:"init_path,omitempty"`
	PreserveFDs []uint  `json:"preserve_fds,omitempty"`
	Timezone    string  `json:"timezone,omitempty"`
	Passwd      bool    `json:"passwd,omitempty"`
	PasswdEntry string  `json:"passwd_entry,omitempty"`
	GroupEntry  string  `json:"group_entry,omitempty"`
	Personality string  `json:"personality,omitempty"`
	OOMScoreAdj *int    `json:"oom_score_adj,omitempty"`
	Rlimits     []Limit `json:"rlimits,omitempty"`
	// HostUsers are host users to add to the container's passwd file (--hostuser).
	HostUsers []string `json:"host_users,omitempty"`
	// SdNotify says who tells a service manager that the container is ready: container, conmon or healthy.
	// "" is container, ignore tells it nothing.
	SdNotify string `json:"sd_notify,omitempty"`
	// Systemd prepares the container for systemd as its first process.
	Systemd bool `json:"systemd,omitempty"`
	// SystemdTmpfsSize bounds each tmpfs that Systemd brings, in bytes; 0 leaves the kernel's half of memory.
	SystemdTmpfsSize int64 `json:"systemd_tmpfs_size,omitempty"`
}

// Limit is one resource limit of a process.
type Limit struct {
	// Type is the RLIMIT_ name; "host" copies are resolved at create.
	Type string `json:"type"`
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// MountKind says what is mounted.
type MountKind string

// The kinds of mounts.
const (
	MountBind   MountKind = "bind"
	MountVolume MountKind = "volume"
	MountTmpfs  MountKind = "tmpfs"
	MountImage  MountKind = "image"
	MountDevpts MountKind = "devpts"
	MountRamfs  MountKind = "ramfs"
	// MountGlob etc. are not known; an unknown kind is refused by Decide.
)

// IDMap maps the owners of a mount's files. The zero value does not.
type IDMap struct {
	// UIDMappings and GIDMappings map ids of the source (ContainerID) to ids seen at the
	// destination (HostID); empty maps nothing. Set together.
	UIDMappings []specs.LinuxIDMapping `json:"uid_mappings,omitempty"`
	GIDMappings []specs.LinuxIDMapping `json:"gid_mappings,omitempty"`
	// Relative says that the ids seen at the destination are the container's.
	Relative bool `json:"relative,omitempty"`
	// AsContainer maps as the container's user namespace does: owners in the source are the container's ids.
	AsContainer bool `json:"as_container,omitempty"`
}

// Mount is one mount that the user or the image asked for.
type Mount struct {
	Kind MountKind `json:"kind"`
	// Source is a host path (bind), a volume's name (volume; a generated one when Anonymous), or an image id (image).
	Source string `json:"source,omitempty"`
	// Destination is absolute and clean, inside the container.
	Destination string `json:"destination"`
	// Subpath is a path inside the volume or image.
	Subpath string `json:"subpath,omitempty"`
	// Options are OCI mount options (ro, nosuid, rbind, rslave, size=…), complete.
	Options []string `json:"options,omitempty"`
	// Anonymous marks a volume without a name given by the user; removed with the container by --rm or rm -v.
	Anonymous bool `json:"anonymous,omitempty"`
	// NoCopy turns the copy-up of the image's content into an empty volume off.
	NoCopy bool `json:"no_copy,omitempty"`
	// CopyUp fills a tmpfs with the image's content (tmpcopyup).
	CopyUp bool `json:"copy_up,omitempty"`
	IDMap
	// Relabel is "", "z" (a label for all containers) or "Z" (this container's own).
	Relabel string `json:"relabel,omitempty"`
	// Chown changes the owner of the source to the container's user (U).
	Chown bool `json:"chown,omitempty"`
	// Overlay mounts Source as the lower directory of a throw-away overlay (O).
	Overlay bool `json:"overlay,omitempty"`
	// OverlayUpper and OverlayWork keep the overlay's changes (O,upperdir=…,workdir=…).
	OverlayUpper string `json:"overlay_upper,omitempty"`
	OverlayWork  string `json:"overlay_work,omitempty"`
	// ReadWrite (image kind) mounts a writable throw-away copy.
	ReadWrite bool `json:"read_write,omitempty"`
	// VolumeDriver and VolumeOptions create the volume if it is missing (--mount volume-driver=, volume-opt=).
	VolumeOptions map[string]string `json:"volume_options,omitempty"`
}

// NamespaceMode is how one namespace is had.
type NamespaceMode string

// The modes.
const (
	NSPrivate   NamespaceMode = "private"
	NSHost      NamespaceMode = "host"
	NSContainer NamespaceMode = "container"
	NSPath      NamespaceMode = "ns"
	// NSNone is a private network namespace with only loopback, or no ipc mount (--ipc none).
	NSNone NamespaceMode = "none"
	// NSShareable is a private ipc namespace that others may join.
	NSShareable NamespaceMode = "shareable"
)

// Namespace is a namespace's mode and its target.
type Namespace struct {
	Mode NamespaceMode `json:"mode"`
	// Target is a container's full id (NSContainer) or an absolute path (NSPath).
	Target string `json:"target,omitempty"`
}

// Namespaces are the modes of all but the network's.
type Namespaces struct {
	IPC    Namespace `json:"ipc"`
	PID    Namespace `json:"pid"`
	UTS    Namespace `json:"uts"`
	Cgroup Namespace `json:"cgroup"`
}

// Net is the network namespace and name resolution.
type Net struct {
	Namespace Namespace `json:"namespace"`
	// Driver connects a namespace of its own with the host's network: pasta, slirp4netns or builtin;
	// "" leaves it with its loopback device. DriverOptions are the words behind --network DRIVER:.
	Driver        string   `json:"driver,omitempty"`
	DriverOptions []string `json:"driver_options,omitempty"`
	// DriverFound says that nobody asked for this driver: where it cannot be used, the built-in one is.
	DriverFound bool `json:"driver_found,omitempty"`
	// Ports are published; PublishAll says that it was by --publish-all.
	Ports      []Port   `json:"ports,omitempty"`
	PublishAll bool     `json:"publish_all,omitempty"`
	Hostname   string   `json:"hostname,omitempty"`
	DNS        []string `json:"dns,omitempty"`
	DNSOptions []string `json:"dns_options,omitempty"`
	DNSSearch  []string `json:"dns_search,omitempty"`
	// Hosts are "IP NAME…" lines to add to /etc/hosts; "host-gateway" is resolved at start.
	Hosts      []string `json:"hosts,omitempty"`
	HostsFile  string   `json:"hosts_file,omitempty"`
	NoHosts    bool     `json:"no_hosts,omitempty"`
	NoHostname bool     `json:"no_hostname,omitempty"`
	// NoResolvConf leaves the image's resolv.conf (--dns none).
	NoResolvConf bool     `json:"no_resolv_conf,omitempty"`
	Expose       []string `json:"expose,omitempty"`
	// ChrootDirs are absolute directories inside that get hosts, resolv.conf and hostname too.
	ChrootDirs []string `json:"chroot_dirs,omitempty"`
}

// Limits are the cgroup's.
type Limits struct {
	// Systemd lets systemd make the cgroup, as a scope.
	Systemd bool `json:"systemd,omitempty"`
	// CgroupParent is an absolute cgroup path below which the container's cgroup is made, or with Systemd a
	// slice; "" is the default.
	CgroupParent string `json:"cgroup_parent,omitempty"`
	// Disabled makes no cgroup at all (--cgroups=disabled).
	Disabled bool `json:"disabled,omitempty"`
	// Split makes the cgroup below the one that each start is called in, and puts the monitor beside it
	// (--cgroups=split).
	Split bool `json:"split,omitempty"`
	// Resources are the OCI resources, devices included.
	Resources *specs.LinuxResources `json:"resources,omitempty"`
	// RdtClass is an Intel RDT class of service, or "".
	RdtClass string `json:"rdt_class,omitempty"`
	// CPUs is --cpus as given, for inspect; 0 is unset.
	CPUs float64 `json:"cpus,omitempty"`
}

// Security is what the process may do.
type Security struct {
	Privileged bool `json:"privileged,omitempty"`
	// Capabilities is the bounding set, upper case with CAP_. A non-root user has it as bounding only.
	Capabilities []string `json:"capabilities,omitempty"`
	CapAdd       []string `json:"cap_add,omitempty"`
	CapDrop      []string `json:"cap_drop,omitempty"`
	// Seccomp is "default", "unconfined" or the absolute path of a profile.
	Seccomp string `json:"seccomp,omitempty"`
	// SeccompProfile is the profile file's content, read at create.
	SeccompProfile  []byte `json:"seccomp_profile,omitempty"`
	NoNewPrivileges bool   `json:"no_new_privileges,omitempty"`
	AppArmor        string `json:"apparmor,omitempty"`
	// ProcessLabel and MountLabel are SELinux labels of its processes and of its files; "" is none. The core makes them of
	// LabelOpts when it stores the container.
	ProcessLabel string `json:"process_label,omitempty"`
	MountLabel   string `json:"mount_label,omitempty"`
	// LabelDisabled leaves its processes without a label of their own.
	LabelDisabled bool `json:"label_disabled,omitempty"`
	// LabelOpts are SELinux words (type:T, level:L, user:, role:, filetype:, nested); kept only where SELinux is active.
	LabelOpts     []string          `json:"label_opts,omitempty"`
	MaskedPaths   []string          `json:"masked_paths,omitempty"`
	ReadonlyPaths []string          `json:"readonly_paths,omitempty"`
	ProcOptions   []string          `json:"proc_options,omitempty"`
	Sysctl        map[string]string `json:"sysctl,omitempty"`
	// Devices are host devices to make in the container.
	Devices []Device `json:"devices,omitempty"`
	// CDIDevices are qualified names of CDI devices.
	CDIDevices []string `json:"cdi_devices,omitempty"`
	// SecurityOpt is as given, for inspect.
	SecurityOpt []string `json:"security_opt,omitempty"`
}

// Device is a host device (or a directory of them) made available.
type Device struct {
	Host        string `json:"host"`
	Container   string `json:"container"`
	Permissions string `json:"permissions"`
}

// Life is about stop and removal.
type Life struct {
	// StopSignal is a signal number.
	StopSignal int `json:"stop_signal"`
	// StopTimeout is in seconds.
	StopTimeout uint `json:"stop_timeout"`
	// Timeout ends the container that many seconds after its start; 0 never.
	Timeout     uint   `json:"timeout,omitempty"`
	Remove      bool   `json:"remove,omitempty"`
	RemoveImage bool   `json:"remove_image,omitempty"`
	PIDFile     string `json:"pid_file,omitempty"`
	CIDFile     string `json:"cid_file,omitempty"`
	// Restart is the zero value for a container that is not restarted.
	Restart Restart `json:"restart,omitzero"`
}

// Restart is what happens when a container has ended by itself.
type Restart struct {
	// Policy is always, unless-stopped or on-failure.
	Policy string `json:"policy"`
	// Max bounds the restarts by on-failure; 0 does not.
	Max uint `json:"max,omitempty"`
}

// Log is about the container's log.
type Log struct {
	Driver string `json:"driver"`
	// Path is absolute; "" puts it beside the container's state.
	Path string `json:"path,omitempty"`
	// MaxSize of a file in bytes; 0 is no limit.
	MaxSize int64 `json:"max_size,omitempty"`
	// MaxFile is how many files there are at most, the current one included; 0 means DefaultLogFiles.
	MaxFile int `json:"max_file,omitempty"`
	// Tag goes with every line. It is a template over what inspect shows, as {{.Name}}.
	Tag string `json:"tag,omitempty"`
	// Labels are NAME=VALUE, fields that go with every line.
	Labels []string `json:"labels,omitempty"`
	// FromLabels and FromEnv are keys of the container's labels and variables that go with every line, LabelsRegex and
	// EnvRegex expressions for more of them.
	FromLabels  []string `json:"from_labels,omitempty"`
	FromEnv     []string `json:"from_env,omitempty"`
	LabelsRegex string   `json:"labels_regex,omitempty"`
	EnvRegex    string   `json:"env_regex,omitempty"`
	// Compress compresses rotated files.
	Compress bool `json:"compress,omitempty"`
	// Buffer, in bytes, is what output is kept waiting for the log at most; what comes beyond is lost. 0 makes the
	// container wait.
	Buffer int64 `json:"buffer,omitempty"`
}
