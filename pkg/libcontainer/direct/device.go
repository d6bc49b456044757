package direct

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// devices makes the device nodes, or binds the host's where nodes may not be made.
func (b *building) devices() {
	for i := range b.Devices {
		d := &b.Devices[i]
		if d.Bind {
			b.bindDevice(d)
		} else {
			b.makeDevice(d)
		}
	}
}

// devFolder returns the word with /dev.
func (b *building) devFolder() uint64 {
	if b.dev == 0 {
		b.dev = b.room(8)
		b.open("/dev", unix.S_IFDIR, b.dev)
	}
	return b.dev
}

// makeDevice makes the node, or accepts one that is the same device. What is chowned is the opened, checked node.
func (b *building) makeDevice(d *plan.Device) {
	clean := path.Clean("/" + d.Path)
	dir, node, st, name := uint64(0), b.room(8), b.st, b.text(path.Base(clean))
	if path.Dir(clean) == "/dev" {
		dir = b.devFolder()
	} else {
		dir = b.room(8)
		b.open(path.Dir(clean), unix.S_IFDIR, dir)
		defer b.close(dir)
	}
	rdev := unix.Mkdev(d.Major, d.Minor)
	b.on(dir, unix.SYS_MKNODAT, name, uint64(d.Mode), rdev).tolerate(unix.EEXIST)
	b.on(dir, unix.SYS_OPENAT, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0).into(node)
	b.on(node, unix.SYS_FSTAT, st)
	b.expect(st+statMode, unix.S_IFMT, uint64(d.Mode)&unix.S_IFMT)
	if d.Mode&unix.S_IFMT != unix.S_IFIFO {
		b.expect(st+statRdev, ^uint64(0), rdev)
	}
	var other, end label
	b.unless(st+statOwner, ^uint64(0), uint64(d.GID)<<32|uint64(d.UID), &other)
	b.jump(&end)
	b.place(&other)
	b.on(node, unix.SYS_FCHOWNAT, b.text(""), uint64(d.UID), uint64(d.GID), unix.AT_EMPTY_PATH)
	b.place(&end)
	b.close(node)
}

// bindDevice mounts the host's node, checked to be the device that is meant.
func (b *building) bindDevice(d *plan.Device) {
	source := d.Source
	if source == "" {
		source = d.Path
	}
	place := b.room(8)
	tree := b.hostDevice(source, d.Mode, d.Major, d.Minor)
	b.open(d.Path, unix.S_IFREG, place)
	b.attach(tree, place)
	b.close(place)
	b.close(tree)
}

// hostDevice clones a node of the host.
func (b *building) hostDevice(source string, mode, major, minor uint32) (tree uint64) {
	tree = b.room(8)
	b.call(unix.SYS_OPEN_TREE, negative(unix.AT_FDCWD), b.text(source), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).into(tree)
	st := b.st
	b.on(tree, unix.SYS_FSTAT, st)
	b.expect(st+statMode, unix.S_IFMT, uint64(mode)&unix.S_IFMT)
	b.expect(st+statRdev, ^uint64(0), unix.Mkdev(major, minor))
	return tree
}

// ownNull puts the container's null device in the place of the host's in descriptors 0 to 2, as package initproc does.
func (b *building) ownNull() {
	// Numbers that a name can be made of beforehand.
	place := b.socket + 32
	name := b.text("/proc/self/fd/" + strconv.FormatUint(place, 10))
	null, st := b.room(8), b.st
	isNull := func(otherwise *label) {
		b.unless(st+statMode, unix.S_IFMT, unix.S_IFCHR, otherwise)
		b.unless(st+statRdev, ^uint64(0), unix.Mkdev(1, 3), otherwise)
	}
	var end label
	b.openIn("/dev/null", unix.O_PATH, null).orElse(&end)
	b.on(null, unix.SYS_FSTAT, st)
	isNull(&end)
	b.on(null, unix.SYS_DUP3, place, unix.O_CLOEXEC)
	for fd := range uint64(3) {
		var next, dup label
		mode, file := b.room(8), b.room(8)
		b.call(unix.SYS_FSTAT, fd, st)
		isNull(&next)
		b.call(unix.SYS_FCNTL, fd, unix.F_GETFL, 0).into(mode)
		for access := range uint64(3) {
			var other label
			b.unless(mode, unix.O_ACCMODE, access, &other)
			b.call(unix.SYS_OPENAT, negative(unix.AT_FDCWD), name, access|unix.O_CLOEXEC|unix.O_NOCTTY, 0).
				into(file).orElse(&next, unix.EACCES, unix.EPERM, unix.ENXIO)
			b.jump(&dup)
			b.place(&other)
		}
		b.jump(&next)
		b.place(&dup)
		b.on(file, unix.SYS_DUP3, fd, 0)
		b.close(file)
		b.place(&next)
	}
	b.place(&end)
}

// devLinks makes the customary links in /dev.
func (b *building) devLinks() {
	if !b.DevLinks {
		return
	}
	dev := b.devFolder()
	for _, l := range [][2]string{
		{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
	} {
		b.symlink(l[0], dev, l[1]).tolerate(unix.EEXIST)
	}
	var exists, end label
	b.symlink("pts/ptmx", dev, "ptmx").orElse(&exists, unix.EEXIST)
	b.jump(&end)
	b.place(&exists)
	b.on(dev, unix.SYS_UNLINKAT, b.text("ptmx"), 0)
	b.symlink("pts/ptmx", dev, "ptmx")
	b.place(&end)
}

func (b *building) symlink(to string, dir uint64, name string) call {
	b.with(1, dir)
	return b.call(unix.SYS_SYMLINKAT, b.text(to), 0, b.text(name))
}

// sysctls writes the kernel settings of the container's namespaces.
func (b *building) sysctls() {
	for _, s := range b.Sysctl {
		b.writeProc(account{}, "sys/"+strings.TrimPrefix(s.Key, "/"), s.Value, nil)
	}
}
