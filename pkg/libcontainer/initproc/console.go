package initproc

import (
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"golang.org/x/sys/unix"
)

// console makes the pseudo-terminal of a new container, binds it to /dev/console and sends
// its master to the parent.
func (in *initializer) console() *launch.Failure {
	if !in.Process.Terminal {
		return nil
	}
	var master int
	var err error
	if in.devpts > 0 {
		master, err = unix.Openat(in.devpts, "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	} else {
		master, err = unix.Open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return failure("console", "/dev/pts/ptmx", err)
	}
	slave, f := in.openTerminal(master)
	if f != nil {
		return f
	}
	if err := in.bindConsole(slave); err != nil {
		return failure("console", "/dev/console", err)
	}
	return in.useTerminal(master, slave)
}

// joinConsole makes a pseudo-terminal inside the devpts of the container we have joined.
func (in *initializer) joinConsole() *launch.Failure {
	how := &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS,
	}
	pts, err := unix.Openat2(unix.AT_FDCWD, "/dev/pts", how)
	if err == unix.ENOSYS {
		pts, err = unix.Open("/dev/pts", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return failure("console", "/dev/pts", err)
	}
	defer func() { _ = unix.Close(pts) }()
	var st unix.Statfs_t
	if err := unix.Fstatfs(pts, &st); err != nil {
		return failure("console", "/dev/pts", err)
	}
	if st.Type != unix.DEVPTS_SUPER_MAGIC {
		return explain("console", "/dev/pts", unix.ENODEV, "the container has no devpts here")
	}
	master, err := unix.Openat(pts, "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return failure("console", "/dev/pts/ptmx", err)
	}
	slave, f := in.openTerminal(master)
	if f != nil {
		return f
	}
	return in.useTerminal(master, slave)
}

// openTerminal unlocks the terminal and opens its slave side from the master itself, so that
// no name in the container is involved.
func (in *initializer) openTerminal(master int) (int, *launch.Failure) {
	// 5:2 is ptmx; a file that a container put in its place must not be driven as a terminal.
	if err := isDevice(master, unix.S_IFCHR, 5, 2); err != nil {
		return -1, failure("console", "/dev/pts/ptmx", err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, failure("console", "unlock", err)
	}
	slave, err := ptsPeer(master)
	if err != nil {
		return -1, failure("console", "peer", err)
	}
	return slave, nil
}

// bindConsole mounts the slave on /dev/console, a name that is never followed.
func (in *initializer) bindConsole(slave int) error {
	dir, name, err := in.root.Parent("/dev/console", 0o755)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if err := unix.Mknodat(int(dir.Fd()), name, unix.S_IFREG|0o600, 0); err != nil && err != unix.EEXIST {
		return err
	}
	place, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(place) }()
	var st unix.Stat_t
	if err := unix.Fstat(place, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.ELOOP
	}
	return attachCopy(slave, place)
}

// useTerminal sends the master away and makes the slave our stdio and controlling terminal.
func (in *initializer) useTerminal(master, slave int) *launch.Failure {
	p := &in.Process
	if p.ConsoleRows != 0 && p.ConsoleColumns != 0 {
		ws := &unix.Winsize{Row: p.ConsoleRows, Col: p.ConsoleColumns}
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, ws); err != nil {
			return failure("console", "size", err)
		}
	}
	if err := unix.Fchown(slave, int(p.UID), -1); err != nil && err != unix.EPERM && err != unix.EINVAL {
		return failure("console", "owner", err)
	}
	if err := in.parent.sendConsole(master); err != nil {
		return failure("console", "send", err)
	}
	_ = unix.Close(master)
	for fd := range 3 {
		if err := unix.Dup3(slave, fd, 0); err != nil {
			return failure("console", "stdio", err)
		}
	}
	if slave > 2 {
		_ = unix.Close(slave)
	}
	return failure("console", "controlling terminal", unix.IoctlSetInt(0, unix.TIOCSCTTY, 0))
}
