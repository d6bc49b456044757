package direct

import (
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// maxDepth bounds the parts of a path that may have to be made, and maxOption is the bound of fsconfig(2) in bytes.
const (
	maxDepth  = 16
	maxOption = 256
)

// canMount says whether a mount needs nothing that the small program alone can do.
func canMount(m *plan.Mount) bool {
	switch {
	case m.Kind != plan.MountFS && m.Kind != plan.MountBind:
		return false
	case m.File != 0 || m.Flags != 0 || m.CopyUp || m.InheritMode || m.NoFollowTarget:
		return false
	case m.Kind == plan.MountBind && m.Target == "/proc":
		return false
	case strings.Count(m.Target, "/") > maxDepth || strings.IndexByte(m.Target+m.Source+m.FSType, 0) >= 0:
		return false
	}
	for _, o := range m.Options {
		if len(o.Value) >= maxOption || strings.IndexByte(o.Key+o.Value, 0) >= 0 {
			return false
		}
	}
	return true
}

func (b *building) mount(m *plan.Mount) {
	var end label
	if m.Optional {
		b.skip = &end
	}
	b.kernel.Hide(m.Target) // what it leaves open is closed with the rest
	if m.Kind == plan.MountBind {
		b.bind(m)
	} else {
		b.newFS(m)
	}
	b.skip = nil
	b.place(&end)
}

// bind clones a tree of the host and attaches it.
func (b *building) bind(m *plan.Mount) {
	tree, st := b.room(8), b.st
	flags := uint64(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if m.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	if m.NoFollowSource {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	b.call(unix.SYS_OPEN_TREE, negative(unix.AT_FDCWD), b.text(m.Source), flags).into(tree)
	b.on(tree, unix.SYS_FSTAT, st)
	target := b.room(8)
	var file, ready label
	b.unless(st+statMode, unix.S_IFMT, unix.S_IFDIR, &file)
	b.open(m.Target, unix.S_IFDIR, target)
	b.jump(&ready)
	b.place(&file)
	b.open(m.Target, unix.S_IFREG, target)
	b.place(&ready)
	b.notProc(m, target)
	b.attach(tree, target)
	if m.RecSet|m.RecClear != 0 {
		b.setAttr(tree, m.RecSet, m.RecClear, true)
	}
	if m.Set|m.Clear != 0 {
		b.setAttr(tree, m.Set, m.Clear, false)
	}
	b.propagate(tree, m)
	b.close(target)
	b.close(tree)
}

// newFS makes a new file system instance and attaches it.
func (b *building) newFS(m *plan.Mount) {
	target, mount := b.room(8), b.room(8)
	if m.FSType == "proc" || m.FSType == "sysfs" {
		b.openStrict(m.Target, target)
	} else {
		b.open(m.Target, unix.S_IFDIR, target)
	}
	b.notProc(m, target)
	// Mount points in a read-only tmpfs are still to be made.
	set, later := m.Set, false
	if m.FSType == "tmpfs" && set&unix.MOUNT_ATTR_RDONLY != 0 {
		set, later = set&^unix.MOUNT_ATTR_RDONLY, true
	}
	b.instance(m.FSType, m.Source, m.Options, set, mount)
	b.attach(mount, target)
	if m.Label != "" {
		b.relabel(mount, m.Label)
	}
	b.propagate(mount, m)
	if m.RecSet|m.RecClear != 0 {
		b.setAttr(mount, m.RecSet, m.RecClear, false)
	}
	b.close(target)
	switch {
	case later:
		b.readonly = append(b.readonly, mount)
	case m.IsKernel() && !m.Optional:
		b.kernel.Add(m.Target, mount)
		if m.FSType == "proc" && b.proc == 0 && (m.Set|m.RecSet)&unix.MOUNT_ATTR_RDONLY == 0 {
			b.proc = mount
		}
	default:
		b.close(mount)
	}
}

// instance makes a detached file system.
func (b *building) instance(kind, source string, options []plan.Pair, set, mount uint64) {
	fs := b.room(8)
	b.call(unix.SYS_FSOPEN, b.text(kind), unix.FSOPEN_CLOEXEC).into(fs)
	option := func(key, value string) {
		if value == "" {
			b.on(fs, unix.SYS_FSCONFIG, unix.FSCONFIG_SET_FLAG, b.text(key), 0, 0)
		} else {
			b.on(fs, unix.SYS_FSCONFIG, unix.FSCONFIG_SET_STRING, b.text(key), b.text(value), 0)
		}
	}
	if source != "" {
		option("source", source)
	}
	for _, o := range options {
		option(o.Key, o.Value)
	}
	b.on(fs, unix.SYS_FSCONFIG, unix.FSCONFIG_CMD_CREATE, 0, 0, 0)
	b.on(fs, unix.SYS_FSMOUNT, unix.FSMOUNT_CLOEXEC, set).into(mount)
	b.close(fs)
}

// relabel gives the root of a new file system its SELinux context, where that is no option. A handle on the mount alone
// cannot be written to.
func (b *building) relabel(mount uint64, context string) {
	dir := b.room(8)
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	b.on(mount, unix.SYS_OPENAT, b.text("."), flags, 0).into(dir)
	b.on(dir, unix.SYS_FSETXATTR, b.text("security.selinux"), b.text(context), uint64(len(context)), 0)
	b.close(dir)
}

func (b *building) setAttr(mount, set, clear uint64, recursive bool) {
	flags := uint64(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	if set&unix.MOUNT_ATTR__ATIME != 0 {
		clear |= unix.MOUNT_ATTR__ATIME // the access-time setting is one field: it is replaced whole
	}
	b.attr(mount, flags, unix.MountAttr{Attr_set: set, Attr_clr: clear})
}

func (b *building) propagate(mount uint64, m *plan.Mount) {
	for _, ms := range m.Propagation {
		flags := uint64(unix.AT_EMPTY_PATH)
		if ms&unix.MS_REC != 0 {
			flags |= unix.AT_RECURSIVE
		}
		b.attr(mount, flags, unix.MountAttr{Propagation: ms &^ unix.MS_REC})
	}
}

func (b *building) attr(mount, flags uint64, attr unix.MountAttr) {
	b.on(mount, unix.SYS_MOUNT_SETATTR, b.text(""), flags, record(b.builder, &attr), uint64(unsafe.Sizeof(attr)))
}

// Where a word of a struct stat is.
const (
	statMode  = uint64(unsafe.Offsetof(unix.Stat_t{}.Mode))
	statOwner = uint64(unsafe.Offsetof(unix.Stat_t{}.Uid)) // and the group behind it
	statRdev  = uint64(unsafe.Offsetof(unix.Stat_t{}.Rdev))
)

// notProc gives up on a target that a link of the image led into procfs; below /proc, the compiler let through
// what may be covered.
func (b *building) notProc(m *plan.Mount, target uint64) {
	if strings.HasPrefix(m.Target, "/proc/") {
		return
	}
	b.on(target, unix.SYS_FSTATFS, b.st) // is no larger than a struct stat
	b.refuse(b.st, ^uint64(0), unix.PROC_SUPER_MAGIC)
}

// openIn opens a path as after chroot.
func (b *building) openIn(name string, flags uint64, file uint64) call {
	return b.openBelow(b.root, name, flags, file)
}

// openCovered opens what is to be covered.
func (b *building) openCovered(name string, file uint64) call {
	if mount, rest, ok := b.kernel.Find(name); ok {
		return b.openBelow(mount, rest, unix.O_PATH, file)
	}
	return b.openIn(name, unix.O_PATH, file)
}

// openBelow opens a path as if a directory were the root.
func (b *building) openBelow(root uint64, name string, flags uint64, file uint64) call {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if name = strings.TrimLeft(name, "/"); name == "" {
		name = "."
	}
	return b.with(0, root).do(account{}, unix.SYS_OPENAT2, 0, b.text(name), record(b.builder, &how), uint64(unsafe.Sizeof(how))).into(file)
}

// open opens a directory or a file to mount on, and makes it and its parents if they are missing. A link to nothing is
// left to the small program.
func (b *building) open(name string, kind, file uint64) {
	rel := strings.TrimPrefix(path.Clean("/"+name), "/")
	flags := uint64(unix.O_PATH)
	if kind == unix.S_IFDIR {
		flags |= unix.O_DIRECTORY
	}
	found := b.openIn(rel, flags, file)
	if rel == "" {
		return
	}
	var missing, end label
	found.orElse(&missing, unix.ENOENT)
	b.jump(&end)
	b.place(&missing)
	parent, base := b.room(8), b.text(path.Base(rel))
	b.open(path.Dir("/"+rel), unix.S_IFDIR, parent)
	b.with(0, parent)
	if kind == unix.S_IFDIR {
		b.do(account{}, unix.SYS_MKDIRAT, 0, base, 0o755).tolerate(unix.EEXIST)
	} else {
		b.do(account{}, unix.SYS_MKNODAT, 0, base, unix.S_IFREG|0o644, 0).tolerate(unix.EEXIST)
	}
	b.with(0, parent).do(account{}, unix.SYS_OPENAT, 0, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0).into(file)
	b.close(parent)
	st := b.st
	b.on(file, unix.SYS_FSTAT, st)
	if kind == unix.S_IFDIR {
		b.expect(st+statMode, unix.S_IFMT, unix.S_IFDIR)
	} else {
		b.refuse(st+statMode, unix.S_IFMT, unix.S_IFLNK)
	}
	b.place(&end)
}

// openStrict opens the place of a file system of which masks and labels rely on that it is where it seems to be.
func (b *building) openStrict(name string, file uint64) {
	var missing, end label
	st := b.st
	b.openIn(name, unix.O_PATH|unix.O_NOFOLLOW, file).orElse(&missing, unix.ENOENT)
	b.on(file, unix.SYS_FSTAT, st)
	b.expect(st+statMode, unix.S_IFMT, unix.S_IFDIR)
	b.jump(&end)
	b.place(&missing)
	b.open(name, unix.S_IFDIR, file)
	b.place(&end)
}
