package libpod

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// Why a program says "permission denied" of what the user has mounted for it is hard to see from inside. So
// before a start, each bind mount is compared with the user that the container's process will be.
//
// All ids here are those of this process's user namespace, which for an ordinary user is his own and not the
// host's. Only the source's top is looked at: who makes the mount may pass the directories above it.

// overflowID is what ids are shown as that a namespace does not have. Source: user_namespaces(7).
const overflowID = 65534

// keepGroups is crun's annotation for --group-add keep-groups.
const keepGroups = "run.oci.keep_original_groups"

// reader is the container's process.
type reader struct {
	// inUID and inGID are its ids in the container, uid, gid and groups the same in our namespace.
	inUID, inGID uint32
	uid, gid     uint32
	groups       []uint32
	// override says that it has the capability to pass over modes.
	override bool
	// uids and gids are its own user namespace; none without one.
	uids, gids []specs.LinuxIDMapping
	// keepsGroups says that it has the caller's groups too.
	keepsGroups bool
}

// source is what is mounted.
type source struct {
	path, destination string
	uid, gid          uint32
	mode              uint32
	// strange says that its owner has no id in our namespace.
	strange bool
	// acl says that it has an access control list; the group's bits are then only the most that it can give.
	acl bool
	// ours says that this process may read it, with the caller's groups.
	ours bool
	// readOnly says that it is mounted so.
	readOnly bool
}

// unreadable are the notices about bind mounts that the container's user will not be able to read. Without
// bind mounts it costs nothing.
func (s *start) unreadable() (notices []Warning) {
	var (
		r *reader
		v view
	)
	for i := range s.cfg.Mounts {
		m := &s.cfg.Mounts[i]
		if m.Kind != spec.MountBind || m.Chown {
			continue
		}
		if r == nil {
			r, v = readerOf(s.spec), hostView()
		}
		src, err := sourceOf(m, s.mountOf(m.Destination))
		if err != nil {
			continue // the mount itself says so
		}
		if yes, class := r.reads(&src); !yes {
			notices = append(notices, Warning(v.notice(r, &src, class)))
		}
	}
	return notices
}

// mountOf is the mount at a destination, as the runtime gets it.
func (s *start) mountOf(destination string) *specs.Mount {
	for i := range s.spec.Mounts {
		if s.spec.Mounts[i].Destination == destination {
			return &s.spec.Mounts[i]
		}
	}
	return &specs.Mount{}
}

// readerOf reads who the process will be from the specification.
func readerOf(sp *specs.Spec) *reader {
	p := sp.Process
	r := &reader{inUID: p.User.UID, inGID: p.User.GID, keepsGroups: sp.Annotations[keepGroups] != ""}
	if sp.Linux != nil {
		r.uids, r.gids = sp.Linux.UIDMappings, sp.Linux.GIDMappings
	}
	r.uid, r.gid = mapped(r.inUID, r.uids), mapped(r.inGID, r.gids)
	for _, g := range p.User.AdditionalGids {
		r.groups = append(r.groups, mapped(g, r.gids))
	}
	if c := p.Capabilities; c != nil {
		r.override = slices.Contains(c.Effective, "CAP_DAC_OVERRIDE") || slices.Contains(c.Effective, "CAP_DAC_READ_SEARCH")
	}
	return r
}

// mapped is an id of the container, or of a mount's source, on the other side of a mapping; the id itself where
// there is none, the overflow id where the mapping leaves it out.
func mapped(id uint32, ids []specs.LinuxIDMapping) uint32 {
	if len(ids) == 0 {
		return id
	}
	for _, m := range ids {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID)
		}
	}
	return overflowID
}

// holds says that a mapping has an id on its outer side.
func holds(id uint32, ids []specs.LinuxIDMapping) bool {
	return len(ids) == 0 || slices.ContainsFunc(ids, func(m specs.LinuxIDMapping) bool { return id >= m.HostID && id-m.HostID < m.Size })
}

// sourceOf looks at what a mount mounts. made is the mount as the runtime gets it, whose mapping changes the
// owner that is seen.
func sourceOf(m *spec.Mount, made *specs.Mount) (source, error) {
	src := source{path: m.Source, destination: m.Destination, readOnly: slices.Contains(m.Options, "ro")}
	var st unix.Stat_t
	if err := unix.Stat(m.Source, &st); err != nil {
		return src, err
	}
	src.uid, src.gid, src.mode = mapped(st.Uid, made.UIDMappings), mapped(st.Gid, made.GIDMappings), st.Mode
	src.strange = rootless.Active() && st.Uid == overflowID && !ownable(m.Source, st.Mode)
	src.ours = unix.Faccessat(unix.AT_FDCWD, m.Source, src.access(), unix.AT_EACCESS) == nil
	n, err := unix.Getxattr(m.Source, "system.posix_acl_access", nil)
	src.acl = err == nil && n > 0
	return src, nil
}

// ownable says whether the owner of a file has an id in our namespace, where this process is root: only then
// may it be opened without a trace. Source: open(2), O_NOATIME.
func ownable(path string, mode uint32) bool {
	if kind := mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return false
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOATIME|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	return unix.Close(fd) == nil
}

// access is what is needed to read it, as in access(2): a directory has to be entered too, and a socket takes
// whoever may write.
func (src *source) access() uint32 {
	switch src.mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return unix.R_OK | unix.X_OK
	case unix.S_IFSOCK:
		return unix.W_OK
	default:
		return unix.R_OK
	}
}

// allows says that a class of users may read it.
func (src *source) allows(class uint) bool {
	need := src.access()
	return src.mode>>class&need == need
}

// The classes of users, by the place of their bits in a mode.
const others, group, owner uint = 0, 3, 6

// reads says whether the process can read the source, or that it cannot be known. class is what decided it
// otherwise: the bits of that class are too few.
func (r *reader) reads(src *source) (yes bool, class uint) {
	privileged := r.override && !src.strange && holds(src.uid, r.uids) && holds(src.gid, r.gids) && (src.gid != overflowID || src.ours)
	member := src.gid != overflowID && slices.Contains(append(r.groups, r.gid), src.gid)
	switch {
	case privileged:
		return true, 0
	case r.uid == src.uid && !src.strange:
		return src.allows(owner), owner
	case src.acl:
		// A named user or group may have more than others, but no more than the group's bits.
		return src.allows(group) || src.allows(others), others
	case member:
		return src.allows(group), group
	}
	return src.allows(others) || r.keepsGroups && src.ours && src.allows(group), others
}
