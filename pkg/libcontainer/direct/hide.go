package direct

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// readonlyPaths binds each path read-only over itself, with everything mounted below it.
func (b *building) readonlyPaths() {
	for _, p := range b.ReadonlyPaths {
		var next label
		place, tree := b.room(8), b.room(8)
		b.openCovered(p, place).orElse(&next, unix.ENOENT, unix.ENOTDIR)
		b.on(place, unix.SYS_OPEN_TREE, b.text(""), unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).into(tree)
		b.attach(tree, place)
		b.setAttr(tree, unix.MOUNT_ATTR_RDONLY, 0, true)
		b.close(tree)
		b.close(place)
		b.place(&next)
	}
}

// maskedPaths covers files with the host's null device and directories with one empty, read-only tmpfs that all of
// them share.
func (b *building) maskedPaths() {
	empty := b.room(8)
	for _, p := range b.MaskedPaths {
		var next, file, done label
		place, st := b.room(8), b.st
		b.openCovered(p, place).orElse(&next, unix.ENOENT, unix.ENOTDIR)
		b.on(place, unix.SYS_FSTAT, st)
		b.unless(st+statMode, unix.S_IFMT, unix.S_IFDIR, &file)
		b.coverDir(place, empty)
		b.jump(&done)
		b.place(&file)
		null := b.hostDevice("/dev/null", unix.S_IFCHR, 1, 3)
		b.attach(null, place)
		b.close(null)
		b.place(&done)
		b.close(place)
		b.place(&next)
	}
}

// coverDir mounts the empty directory, which is made for the first that needs it: only what is attached can be cloned.
func (b *building) coverDir(place, empty uint64) {
	var first, end label
	again := b.room(8)
	b.except(empty, ^uint64(0), 0, &first)
	b.on(empty, unix.SYS_OPEN_TREE, b.text(""), unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).into(again)
	b.attach(again, place)
	b.close(again)
	b.jump(&end)
	b.place(&first)
	options := []plan.Pair{{Key: "nr_blocks", Value: "1"}, {Key: "nr_inodes", Value: "1"}, {Key: "mode", Value: "755"}}
	if b.MountLabel != "" {
		options = append(options, plan.Pair{Key: "context", Value: b.MountLabel})
	}
	const set = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_RDONLY
	b.instance("tmpfs", "tmpfs", options, set, empty)
	b.attach(empty, place)
	b.place(&end)
}

// names sets the host and domain name.
func (b *building) names() {
	if n := b.Hostname; n != "" {
		b.call(unix.SYS_SETHOSTNAME, b.text(n), uint64(len(n)))
	}
	if n := b.Domainname; n != "" {
		b.call(unix.SYS_SETDOMAINNAME, b.text(n), uint64(len(n)))
	}
}

// loopback brings lo up in a new network namespace.
func (b *building) loopback() {
	if !b.Loopback {
		return
	}
	socket := b.room(8)
	request := struct { // struct ifreq
		name  [unix.IFNAMSIZ]byte
		flags uint16
		rest  [22]byte
	}{flags: unix.IFF_UP | unix.IFF_RUNNING}
	copy(request.name[:], "lo")
	b.call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0).into(socket)
	b.on(socket, unix.SYS_IOCTL, unix.SIOCSIFFLAGS, b.bytes(unsafe.Slice((*byte)(unsafe.Pointer(&request)), unsafe.Sizeof(request))))
	b.close(socket)
}

// makeCwd makes a missing working directory. Chdir will say what is wrong with one that cannot be made.
func (b *building) makeCwd() {
	if !b.MakeCwd {
		return
	}
	dir := b.room(8)
	b.open(b.Cwd, unix.S_IFDIR, dir)
	b.close(dir)
}
