package initproc

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// setAttr changes a mount's attributes by descriptor. Before Linux 5.12 there is no mount_setattr; an
// attached mount can then be remounted through /proc, which has no recursion.
func setAttr(mount int, set, clear uint64, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	if set&unix.MOUNT_ATTR__ATIME != 0 {
		clear |= unix.MOUNT_ATTR__ATIME // the access-time setting is one field: it is replaced whole
	}
	err := unix.MountSetattr(mount, "", flags, &unix.MountAttr{Attr_set: set, Attr_clr: clear})
	if errors.Is(err, unix.ENOSYS) && !recursive {
		err = remount(mount, set, clear)
	}
	return err
}

// attrFlags pairs mount attributes with the flags of mount(2) and statfs(2).
var attrFlags = []struct{ attr, ms uint64 }{
	{unix.MOUNT_ATTR_RDONLY, unix.MS_RDONLY},
	{unix.MOUNT_ATTR_NOSUID, unix.MS_NOSUID},
	{unix.MOUNT_ATTR_NODEV, unix.MS_NODEV},
	{unix.MOUNT_ATTR_NOEXEC, unix.MS_NOEXEC},
	{unix.MOUNT_ATTR_NOATIME, unix.MS_NOATIME},
	{unix.MOUNT_ATTR_STRICTATIME, unix.MS_STRICTATIME},
	{unix.MOUNT_ATTR_NODIRATIME, unix.MS_NODIRATIME},
	{unix.MOUNT_ATTR_NOSYMFOLLOW, unix.MS_NOSYMFOLLOW},
}

// Flags of statfs(2) that differ from those of mount(2). Source: include/linux/statfs.h.
const (
	stNoAtime     = 0x400
	stRelatime    = 0x1000
	stNoSymFollow = 0x2000
)

func attrToFlags(attr uint64) uint64 {
	var flags uint64
	for _, f := range attrFlags {
		if attr&f.attr != 0 {
			flags |= f.ms
		}
	}
	return flags
}

func remount(mount int, set, clear uint64) error {
	flags, err := mountFlags(mount, set, clear)
	if err != nil {
		return err
	}
	return unix.Mount("", procFD(mount), "", uintptr(flags|unix.MS_REMOUNT|unix.MS_BIND), "")
}

// mountFlags are a mount's present flags with changes, as mount(2) wants them.
func mountFlags(mount int, set, clear uint64) (flags uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(mount, &st); err != nil {
		return 0, err
	}
	have := uint64(st.Flags)
	if have&(stNoAtime|stRelatime) == 0 {
		have |= unix.MS_STRICTATIME // the absence of both
	}
	if have&stNoSymFollow != 0 {
		have |= unix.MS_NOSYMFOLLOW
	}
	for _, f := range attrFlags {
		if set&f.attr != 0 || have&f.ms != 0 && clear&f.attr == 0 {
			flags |= f.ms
		}
	}
	return flags, nil
}

// propagate sets a propagation given as MS_ flags, MS_REC among them or not.
func propagate(mount int, ms uint64) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if ms&unix.MS_REC != 0 {
		flags |= unix.AT_RECURSIVE
	}
	err := unix.MountSetattr(mount, "", flags, &unix.MountAttr{Propagation: ms &^ unix.MS_REC})
	if errors.Is(err, unix.ENOSYS) {
		err = unix.Mount("", procFD(mount), "", uintptr(ms), "")
	}
	return err
}

func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
