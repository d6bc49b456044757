package direct

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// CanBuild says whether an image may try to build a new container for a request. What comes out at the first call that
// fails is no matter of errors: the small program does it all again then.
func CanBuild(req *launch.Request, p *plan.Plan) bool {
	proc := &p.Process
	switch {
	case code() == nil || fault.ForInit(): // the points are the small program's
		return false
	case p.Join || p.Rootfs == nil || p.Rootfs.NoPivot || p.Rootfs.File != 0:
		return false
	case req.Join != nil || len(req.OpenFiles) > len(req.Enter):
		return false
	case slices.ContainsFunc(req.Enter, func(n launch.NamespaceRef) bool { return n.Flag != unix.CLONE_NEWNET }):
		return false // others are entered by children only, or give and take rights
	case req.CloneFlags&unix.CLONE_NEWNS == 0 || req.CloneFlags&(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME) != 0:
		return false
	case p.Hooks != nil || proc.Reaper != "" || proc.Terminal:
		return false
	case proc.Seccomp != nil && (proc.Seccomp.Listener || !fits(proc.Seccomp)):
		return false
	}
	for i := range p.Mounts {
		if !canMount(&p.Mounts[i]) {
			return false
		}
	}
	return true
}

// Build makes the image of a request for a new container, whose plan may be of another process than this one. Of its tasks
// files only the number counts. The caller closes the image's file.
func Build(req *launch.Request, p *plan.Plan) error {
	m := newMaking(req, &p.Process, launch.MsgUnable)
	if err := m.limits(); err != nil {
		return err
	}
	b := &building{making: m, Plan: p, root: m.room(8), st: m.room(uint64(unsafe.Sizeof(unix.Stat_t{})))}
	b.build()
	return m.finish()
}

// building is an image that builds a container, in the order of package initproc.
type building struct {
	*making
	*plan.Plan
	// root is the word with the root directory.
	root uint64
	// kernel are the words with the mounts of procfs and sysfs.
	kernel plan.KernelMounts[uint64]
	// readonly are the words with mounts that become read-only at the end.
	readonly []uint64
	// skip is where a call of an optional mount goes on that found nothing.
	skip *label
	// dev is the word with /dev, 0 until it is opened.
	dev uint64
	// st is where files are looked at.
	st uint64
	// unable is where the list ends that has to be left to the small program.
	unable label
}

func (b *building) build() {
	b.undumpable()
	b.cgroups(account{}, b.socket+1)
	for i, n := range b.req.Enter {
		b.do(account{}, unix.SYS_SETNS, b.socket+1+uint64(len(b.req.CgroupTasks)+i), uint64(n.Flag))
	}
	if b.req.CloneFlags&unix.CLONE_NEWCGROUP != 0 {
		b.do(account{}, unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	}
	b.do(account{}, unix.SYS_CLOSE_RANGE, b.socket+1, 1<<32-1, 0)
	b.do(account{}, unix.SYS_FCNTL, b.socket, unix.F_SETFD, unix.FD_CLOEXEC)
	b.raiseFiles()
	b.keyring()
	b.attachRoot()
	for i := range b.Mounts {
		b.mount(&b.Mounts[i])
	}
	b.devices()
	b.ownNull()
	b.devLinks()
	b.sysctls()
	b.readonlyPaths()
	b.maskedPaths()
	b.names()
	b.loopback()
	b.makeCwd()
	b.finishMounts()
	b.pivot()
	var built label
	b.jump(&built)
	b.place(&b.unable)
	b.failWith(account{}, b.words(uint64(unix.EIO)))
	b.place(&built)
	// From here on a failure has a name.
	b.copy64(b.words(uint64(launch.MsgStep)), listBase+atMessage)
	b.tell("barrier", launch.MsgBuilt)
	b.leaveHost() // which waits for the kernel, while our parent does its part
	b.closeRest()
}

// call adds a system call; a failure of an optional mount for want of something leads to its end.
func (b *building) call(nr uintptr, args ...uint64) call {
	c := b.do(account{}, nr, args...)
	if b.skip != nil {
		c.orElse(b.skip, unix.ENOENT, unix.ENODEV)
	}
	return c
}

// on adds a system call whose first argument is a word.
func (b *building) on(word uint64, nr uintptr, args ...uint64) call {
	b.with(0, word)
	return b.call(nr, append([]uint64{0}, args...)...)
}

func (b *building) close(word uint64) { b.with(0, word).do(account{}, unix.SYS_CLOSE).tolerate() }

// expect leaves it to the small program unless a word, masked, has a value; refuse if it has.
func (b *building) expect(word, mask, value uint64) { b.unless(word, mask, value, &b.unable) }
func (b *building) refuse(word, mask, value uint64) { b.except(word, mask, value, &b.unable) }

// attachRoot stops propagation to the host and makes the root file system a mount of its own.
func (b *building) attachRoot() {
	place := b.room(8)
	none := b.text("")
	b.call(unix.SYS_UMASK, 0) // a mode in the plan means that mode
	b.call(unix.SYS_MOUNT, none, b.text("/"), none, unix.MS_SLAVE|unix.MS_REC, 0)
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	b.call(unix.SYS_OPENAT, negative(unix.AT_FDCWD), b.text(b.Rootfs.Path), flags, 0).into(place)
	b.on(place, unix.SYS_OPEN_TREE, none, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).into(b.root)
	b.attach(b.root, place)
	b.close(place)
}

// attach mounts a detached tree on an opened place.
func (b *building) attach(tree, place uint64) {
	none := b.text("")
	b.with(0, tree).with(2, place)
	b.call(unix.SYS_MOVE_MOUNT, 0, none, 0, none, unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// finishMounts makes read-only what had to be writable while it was filled.
func (b *building) finishMounts() {
	for _, mount := range b.readonly {
		b.setAttr(mount, unix.MOUNT_ATTR_RDONLY, 0, false)
	}
	if b.Rootfs.Readonly {
		b.setAttr(b.root, unix.MOUNT_ATTR_RDONLY, 0, false)
	}
}

// pivot makes the root file system "/", with the host's on top of it and the process there.
func (b *building) pivot() {
	old, slash, dot := b.room(8), b.text("/"), b.text(".")
	b.call(unix.SYS_OPENAT, negative(unix.AT_FDCWD), slash, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0).into(old)
	b.on(b.root, unix.SYS_FCHDIR)
	b.call(unix.SYS_PIVOT_ROOT, dot, dot)
	b.on(old, unix.SYS_FCHDIR)
}

// leaveHost takes the host's file systems out of the namespace and gives "/" its propagation.
func (b *building) leaveHost() {
	why, slash, none := fail("pivot", "/"), b.text("/"), b.text("")
	b.do(why, unix.SYS_UMOUNT2, b.text("."), unix.MNT_DETACH)
	b.do(why, unix.SYS_CHDIR, slash)
	if p := b.Rootfs.Propagation; p != 0 {
		b.do(why, unix.SYS_MOUNT, none, slash, none, p, 0)
	}
}

// closeRest closes what leads to a directory but for our handle on procfs.
func (b *building) closeRest() {
	if b.proc == 0 {
		b.sys("descriptor", unix.SYS_CLOSE_RANGE, b.socket+1, 1<<32-1, 0)
		return
	}
	b.with(0, b.proc).do(fail("descriptor", ""), unix.SYS_DUP3, 0, b.socket+1, unix.O_CLOEXEC).tolerate(unix.EINVAL) // it is that already
	b.copy64(b.words(b.socket+1), b.proc)
	b.sys("descriptor", unix.SYS_CLOSE_RANGE, b.socket+2, 1<<32-1, 0)
}
