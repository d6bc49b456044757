package idmap

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// NewNamespace makes a user namespace with the maps; the caller closes it. A process must live in it while it is
// opened: one that stops at its first instruction (ptrace) and is killed then.
func NewNamespace(uids, gids Map) (*os.File, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, Ptrace: true, Pdeathsig: syscall.SIGKILL,
		UidMappings: sysMap(uids), GidMappings: sysMap(gids), GidMappingsEnableSetgroups: true,
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	return os.Open("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/user")
}

func sysMap(in Map) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(in))
	for i, m := range in {
		out[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return out
}

// MapTree gives a detached tree of mounts the maps of a user namespace: owners on disk are ids inside, and are
// seen as the ids outside. With recursive the mounts below are mapped too.
//
// EPERM says that the file system belongs to a namespace whose owner the caller is not, EINVAL that it cannot be
// mapped. Source: mount_setattr(2), MOUNT_ATTR_IDMAP; Linux 5.12.
func MapTree(tree, namespace *os.File, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(namespace.Fd())}
	return unix.MountSetattr(int(tree.Fd()), "", flags, attr)
}

// MapHint says what helps when MapTree has failed, or "".
func MapHint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return "only the file system's owner can map its ids, which is root on the host; leave idmap out, or use the volume option U"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return "this kernel cannot map the ids of this file system; leave idmap out, or use the volume option U"
	}
	return ""
}
