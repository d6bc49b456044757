package initproc

import (
	"os"

	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"golang.org/x/sys/unix"
)

// attachRoot stops propagation to the host and makes the root file system a mount of its own.
func (in *initializer) attachRoot() *launch.Failure {
	// A mode in the plan means that mode.
	unix.Umask(0)
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return failure("mount propagation", "/", err)
	}
	place, err := unix.Open(in.Rootfs.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		if in.Rootfs.File == 0 {
			return failure("rootfs", in.Rootfs.Path, err)
		}
		// The path may be closed to a mapped root; any directory will do to attach the tree to.
		if place, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return failure("rootfs", "/", err)
		}
	}
	t := tree{fd: in.file(in.Rootfs.File)}
	if in.Rootfs.File == 0 {
		if t, err = cloneTree(place, "", unix.AT_RECURSIVE); err != nil {
			return failure("rootfs", in.Rootfs.Path, err)
		}
	}
	err = t.attach(place)
	if err == nil && t.bound {
		_ = unix.Close(t.fd)
		t.fd, err = unix.Open(in.Rootfs.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return failure("rootfs", in.Rootfs.Path, err)
	}
	_ = unix.Close(place)
	in.root = fsroot.FromFile(os.NewFile(uintptr(t.fd), in.Rootfs.Path))
	return nil
}

// finishMounts makes read-only what had to be writable while it was filled.
func (in *initializer) finishMounts() *launch.Failure {
	for _, fd := range in.readonly {
		if err := setAttr(fd, unix.MOUNT_ATTR_RDONLY, 0, false); err != nil {
			return failure("mount", "", err)
		}
	}
	if in.Rootfs.Readonly {
		if err := setAttr(in.root.FD(), unix.MOUNT_ATTR_RDONLY, 0, false); err != nil {
			return failure("mount", "/", err)
		}
	}
	return nil
}

// enterRoot makes the root "/" and then gives it its propagation: a shared mount can neither
// be pivoted to nor moved below.
func (in *initializer) enterRoot() *launch.Failure {
	enter := in.pivot
	if in.Rootfs.NoPivot {
		enter = in.moveRoot
	}
	if f := enter(); f != nil || in.Rootfs.Propagation == 0 {
		return f
	}
	return failure("mount propagation", "/", unix.Mount("", "/", "", uintptr(in.Rootfs.Propagation), ""))
}

// pivot takes the host's file systems out of the namespace.
func (in *initializer) pivot() *launch.Failure {
	old, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return failure("pivot", "/", err)
	}
	if err := unix.Fchdir(in.root.FD()); err != nil {
		return failure("pivot", in.Rootfs.Path, err)
	}
	// With both names the same the old root comes to lie on top of the new one.
	if err := unix.PivotRoot(".", "."); err != nil {
		return failure("pivot", in.Rootfs.Path, err)
	}
	if err := unix.Fchdir(old); err != nil {
		return failure("pivot", "/", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return failure("pivot", "/", err)
	}
	_ = unix.Close(old)
	return failure("pivot", "/", unix.Chdir("/"))
}

// moveRoot serves roots that cannot be pivoted from (an initramfs). The host's proc and sys
// mounts are taken away first, so that no bare instance can be reached above the new root.
func (in *initializer) moveRoot() *launch.Failure {
	if err := unix.Fchdir(in.root.FD()); err != nil {
		return failure("move root", in.Rootfs.Path, err)
	}
	for _, p := range []string{"/sys", "/proc"} {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.EPERM && err != unix.ENOENT {
			return failure("move root", p, err)
		}
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return failure("move root", in.Rootfs.Path, err)
	}
	if err := unix.Chroot("."); err != nil {
		return failure("move root", in.Rootfs.Path, err)
	}
	return failure("move root", "/", unix.Chdir("/"))
}

// makeCwd makes a missing working directory, in the root, before the pivot.
func (in *initializer) makeCwd() *launch.Failure {
	if !in.Process.MakeCwd {
		return nil
	}
	f, err := in.root.MkdirAll(in.Process.Cwd, 0o755)
	if err != nil {
		//lint:ignore nilerr chdir will say what is wrong with it
		return nil
	}
	return failure("cwd", in.Process.Cwd, f.Close())
}

// names sets the host and domain name.
func (in *initializer) names() *launch.Failure {
	if in.Hostname != "" {
		if err := unix.Sethostname([]byte(in.Hostname)); err != nil {
			return failure("hostname", in.Hostname, err)
		}
	}
	if in.Domainname != "" {
		return failure("domainname", in.Domainname, unix.Setdomainname([]byte(in.Domainname)))
	}
	return nil
}

// loopback brings lo up in a new network namespace.
func (in *initializer) loopback() *launch.Failure {
	if !in.Loopback {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return failure("loopback", "lo", err)
	}
	defer func() { _ = unix.Close(fd) }()
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return failure("loopback", "lo", err)
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return failure("loopback", "lo", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
}
