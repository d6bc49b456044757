package initproc

import (
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// openProc opens a file of procfs through a handle of our own: a detached instance, or the one
// we mounted in the container. No mount or link that a container placed can be on the way.
func (in *initializer) openProc(name string, flags int) (int, error) {
	if in.proc < 0 {
		fd, err := privateProc()
		if err != nil {
			return -1, err
		}
		in.proc = fd
	}
	how := &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := unix.Openat2(in.proc, name, how)
	if err != unix.ENOSYS {
		return fd, err
	}
	fd, err = unix.Openat(in.proc, name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, err
	}
	if err := isProc(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// privateProc makes a detached instance of procfs; without the privilege for that, a detached
// clone of the one at /proc, checked to be procfs.
func privateProc() (int, error) {
	fd, err := openFS(&plan.Mount{FSType: "proc", Target: "/proc"}, nil)
	if err == nil {
		return fd, nil
	}
	fd, err = unix.OpenTree(unix.AT_FDCWD, "/proc", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		fd, err = unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return -1, err
	}
	if err := isProc(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func isProc(fd int) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	if st.Type != unix.PROC_SUPER_MAGIC {
		return unix.ENODEV
	}
	return nil
}

func (in *initializer) writeProc(name, value string) error {
	fd, err := in.openProc(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	_, err = unix.Write(fd, []byte(value))
	return err
}

// sysctls writes the kernel settings of the container's namespaces.
func (in *initializer) sysctls() *launch.Failure {
	for _, s := range in.Sysctl {
		if err := in.writeProc("sys/"+s.Key, s.Value); err != nil {
			return failure("sysctl", s.Key, err)
		}
	}
	return nil
}
