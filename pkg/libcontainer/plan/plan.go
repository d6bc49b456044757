// Package plan is the list of everything that has to happen inside a new container, or
// inside a container that is joined, before the user's program runs.
//
// A plan is compiled by pkg/libcontainer/compile in an ordinary process, where users, masks,
// filters, paths and limits are looked up and refused with errors a person can read, and
// executed by pkg/libcontainer/initproc, which only makes system calls. The two sit in
// different programs, so the plan crosses the boundary encoded (see Encode).
//
// The package imports the standard library and pkg/pack alone: it is linked into the small program.
package plan

// Plan is what the child does between its first instruction and the user's program.
type Plan struct {
	// Join says that the child enters a running container: only Process is carried out.
	Join bool `json:"join,omitempty"`
	// Rootfs is the file system to live in; nil for a join.
	Rootfs *Rootfs `json:"rootfs,omitempty"`
	// Mounts are made in this order, targets resolved inside the root.
	Mounts []Mount `json:"mounts,omitempty"`
	// Devices are the nodes to make (or bind) after the mounts.
	Devices []Device `json:"devices,omitempty"`
	// DevLinks asks for /dev/{fd,stdin,stdout,stderr,ptmx}.
	DevLinks bool `json:"dev_links,omitempty"`
	// ReadonlyPaths and MaskedPaths are absolute paths in the root; missing ones are skipped.
	ReadonlyPaths []string `json:"readonly_paths,omitempty"`
	MaskedPaths   []string `json:"masked_paths,omitempty"`
	// MountLabel is the SELinux context of the empty directories over masked ones; "" is the kernel's
	// choice. In Mounts it is an option where it applies.
	MountLabel string `json:"mount_label,omitempty"`
	// Sysctl are written in this order, keys with slashes: "net/ipv4/ip_forward".
	Sysctl []Pair `json:"sysctl,omitempty"`
	// Hostname and Domainname are set in the new UTS namespace; "" leaves them.
	Hostname   string `json:"hostname,omitempty"`
	Domainname string `json:"domainname,omitempty"`
	// Loopback brings the interface lo up in a new network namespace.
	Loopback bool `json:"loopback,omitempty"`
	// Hooks run at their points; nil for none.
	Hooks *Hooks `json:"hooks,omitempty"`
	// Process is the user's program and its attributes.
	Process Process `json:"process"`
}

// Hooks are those that concern the child.
type Hooks struct {
	// State is what they read, but for status and pid.
	State State `json:"state"`
	// Parent says that the parent has hooks to run, before CreateContainer.
	Parent bool `json:"parent,omitempty"`
	// CreateContainer run in the container's namespaces before the pivot, StartContainer in its root as
	// its user, last before the program.
	CreateContainer []Hook `json:"create_container,omitempty"`
	StartContainer  []Hook `json:"start_container,omitempty"`
}

// Pair is a key and its value.
type Pair struct {
	Key   string `json:"k"`
	Value string `json:"v,omitempty"`
}

// IsContext says whether a mount option's value is an SELinux context. Contexts have commas: where options
// are a text, they are quoted. Source: mount(8), "SELinux context mounts".
func IsContext(option string) bool {
	return option == "context" || option == "fscontext" || option == "defcontext" || option == "rootcontext"
}

// Rootfs is the container's root file system.
type Rootfs struct {
	// Path is absolute in the runtime's mount namespace. Ignored if File is set.
	Path string `json:"path"`
	// File is 1 plus the index of an opened detached tree in the launch request's OpenFiles; 0 means Path.
	File int `json:"file,omitempty"`
	// Readonly makes "/" read-only once everything is mounted.
	Readonly bool `json:"readonly,omitempty"`
	// Propagation is the MS_ propagation of the new "/" after the pivot; 0 leaves it.
	Propagation uint64 `json:"propagation,omitempty"`
	// NoPivot moves the root over "/" and changes root into it, for roots that cannot be pivoted to.
	NoPivot bool `json:"no_pivot,omitempty"`
}

// MountKind says how a mount comes to be.
type MountKind string

const (
	// MountFS makes a new file system instance (fsopen).
	MountFS MountKind = "fs"
	// MountBind clones a part of an existing tree (open_tree).
	MountBind MountKind = "bind"
	// MountRemount only changes the flags of what is mounted at Target.
	MountRemount MountKind = "remount"
	// MountLink makes Target a symbolic link to Source; nothing is mounted.
	MountLink MountKind = "link"
)

// Mount is one mount. Attributes are MOUNT_ATTR_ masks of mount_setattr(2).
type Mount struct {
	Kind   MountKind `json:"kind"`
	FSType string    `json:"fstype,omitempty"`
	// Source is a host path (bind), a device or label (fs), or a link's text (link).
	Source string `json:"source,omitempty"`
	// File is 1 plus the index of an opened tree in OpenFiles, used in place of Source; 0 means Source.
	File int `json:"file,omitempty"`
	// Target is the absolute path inside the root.
	Target string `json:"target"`
	// Recursive clones the submounts too (rbind).
	Recursive bool `json:"recursive,omitempty"`
	// Set and Clear apply to the mount itself, RecSet and RecClear to it and all below.
	Set      uint64 `json:"set,omitempty"`
	Clear    uint64 `json:"clear,omitempty"`
	RecSet   uint64 `json:"rec_set,omitempty"`
	RecClear uint64 `json:"rec_clear,omitempty"`
	// Propagation are MS_ flags, each applied in order.
	Propagation []uint64 `json:"propagation,omitempty"`
	// Label is the SELinux context that the new file system's root gets when it is mounted; "" leaves it.
	Label string `json:"label,omitempty"`
	// Options are the file system's own, given by fsconfig; a value of "" makes a flag.
	Options []Pair `json:"options,omitempty"`
	// Flags are MS_ flags of the file system that only mount(2) knows (MS_I_VERSION).
	Flags uint64 `json:"flags,omitempty"`
	// NoFollowSource and NoFollowTarget take a symbolic link at the end of the path for itself.
	NoFollowSource bool `json:"no_follow_source,omitempty"`
	NoFollowTarget bool `json:"no_follow_target,omitempty"`
	// CopyUp fills a new tmpfs with what the root has at Target (tmpcopyup).
	CopyUp bool `json:"copy_up,omitempty"`
	// InheritMode gives a new tmpfs the mode of the directory it covers, 01777 if that is made here.
	InheritMode bool `json:"inherit_mode,omitempty"`
	// Optional mounts are skipped when the source or the file system does not exist.
	Optional bool `json:"optional,omitempty"`
}

// Device is one device node.
type Device struct {
	// Path is absolute inside the root.
	Path string `json:"path"`
	// Mode has the S_IF type and the permission bits.
	Mode  uint32 `json:"mode"`
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
	UID   uint32 `json:"uid,omitempty"`
	GID   uint32 `json:"gid,omitempty"`
	// Bind mounts the host's node in place of making one (user namespaces).
	Bind bool `json:"bind,omitempty"`
	// Source is the host's node, "" if it has the same path. It serves too if making one is refused.
	Source string `json:"source,omitempty"`
}

// Rlimit is one resource limit, by kernel number.
type Rlimit struct {
	Resource int    `json:"r"`
	Soft     uint64 `json:"soft"`
	Hard     uint64 `json:"hard"`
}

// Capabilities are the five sets as bit masks.
type Capabilities struct {
	Bounding    uint64 `json:"bounding"`
	Effective   uint64 `json:"effective"`
	Permitted   uint64 `json:"permitted"`
	Inheritable uint64 `json:"inheritable"`
	Ambient     uint64 `json:"ambient"`
}

// Seccomp is a compiled filter.
type Seccomp struct {
	// Filter are the instructions, eight bytes each, in the machine's byte order.
	Filter []byte `json:"filter"`
	// Flags are SECCOMP_FILTER_FLAG_ bits.
	Flags uint64 `json:"flags,omitempty"`
	// Listener asks for a descriptor on which the kernel notifies, which goes to the parent.
	Listener bool `json:"listener,omitempty"`
}

// MemoryPolicy is a set_mempolicy(2) request.
type MemoryPolicy struct {
	// Mode has the mode and its flags.
	Mode int `json:"mode"`
	// Nodes are the NUMA nodes, a bit each.
	Nodes []uint64 `json:"nodes,omitempty"`
}

// IOPriority is an ioprio_set(2) value for the process.
type IOPriority struct {
	Value int `json:"value"`
}

// Scheduler is a sched_setattr(2) request, units as the kernel's.
type Scheduler struct {
	Policy   uint32 `json:"policy"`
	Flags    uint64 `json:"flags,omitempty"`
	Nice     int32  `json:"nice,omitempty"`
	Priority uint32 `json:"priority,omitempty"`
	Runtime  uint64 `json:"runtime,omitempty"`
	Deadline uint64 `json:"deadline,omitempty"`
	Period   uint64 `json:"period,omitempty"`
}

// Process is the user's program and its attributes.
type Process struct {
	// Args has at least the program. A name without a slash is looked up in Env's PATH.
	Args []string `json:"args"`
	Env  []string `json:"env,omitempty"`
	// Cwd is absolute inside the container.
	Cwd string `json:"cwd"`
	// MakeCwd makes a missing Cwd, as root, mode 0755.
	MakeCwd bool `json:"make_cwd,omitempty"`
	// UID, GID and Groups are numbers inside the container.
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
	// KeepGroups leaves the supplementary groups as they are (rootless without setgroups).
	KeepGroups bool `json:"keep_groups,omitempty"`
	// Umask is set if not nil.
	Umask *uint32 `json:"umask,omitempty"`
	// Capabilities nil leaves none.
	Capabilities *Capabilities `json:"capabilities,omitempty"`
	NoNewPrivs   bool          `json:"no_new_privs,omitempty"`
	Rlimits      []Rlimit      `json:"rlimits,omitempty"`
	// OOMScoreAdj is written if not nil; a refusal by the kernel is not an error.
	OOMScoreAdj *int     `json:"oom_score_adj,omitempty"`
	Seccomp     *Seccomp `json:"seccomp,omitempty"`
	// AppArmor and SELinux are labels for exec; "" leaves them.
	AppArmor string `json:"apparmor,omitempty"`
	SELinux  string `json:"selinux,omitempty"`
	// Personality is set if not nil.
	Personality *uint32     `json:"personality,omitempty"`
	Scheduler   *Scheduler  `json:"scheduler,omitempty"`
	IOPriority  *IOPriority `json:"io_priority,omitempty"`
	// MemoryPolicy is set if not nil.
	MemoryPolicy *MemoryPolicy `json:"memory_policy,omitempty"`
	// Affinity are the processors of the program, a bit each; nil leaves them. ResetAffinity gives it all
	// that its cgroup has, whatever the caller was confined to.
	Affinity      []uint64 `json:"affinity,omitempty"`
	ResetAffinity bool     `json:"reset_affinity,omitempty"`
	// Keyring is the name of a new session keyring; "" keeps the caller's.
	Keyring string `json:"keyring,omitempty"`
	// Terminal gives the program a pseudo-terminal of the container's devpts as its stdio.
	Terminal bool `json:"terminal,omitempty"`
	// ConsoleRows and ConsoleColumns are its first size in cells; 0 leaves it.
	ConsoleRows    uint16 `json:"console_rows,omitempty"`
	ConsoleColumns uint16 `json:"console_columns,omitempty"`
	// Reaper is the path inside the container of our small program, which becomes process 1 and
	// starts the user's program below it; "" executes the program directly.
	Reaper string `json:"reaper,omitempty"`
	// ReaperReports leaves the connection to the parent to the reaper: see launch.ReaperReport.
	ReaperReports bool `json:"reaper_reports,omitempty"`
	// CloseFDs are descriptors from 3 on that the program does not get: gaps between those it does.
	CloseFDs []int `json:"close_fds,omitempty"`
}
