package initproc

import (
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// tree is a mount to be attached: a detached clone or instance by descriptor or, without the calls
// for that, an opened file to bind from.
type tree struct {
	fd        int
	bound     bool // not detached: attached by mount(2)
	recursive bool
}

// mountCalls says that mounts can be handled by descriptor (open_tree, fsopen and move_mount, Linux 5.2).
// Some sandboxes hide these calls from newer kernels; mount(2) then serves, through /proc/self/fd.
var mountCalls = sync.OnceValue(func() bool {
	const both = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	if unix.MoveMount(-1, "", -1, "", both) == unix.ENOSYS {
		return false
	}
	_, err := unix.OpenTree(-1, "", unix.AT_EMPTY_PATH)
	return err != unix.ENOSYS
})

// cloneTree clones what path names below dir, or dir itself for "". flags are AT_RECURSIVE and
// AT_SYMLINK_NOFOLLOW. The caller closes fd.
func cloneTree(dir int, path string, flags uint) (tree, error) {
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	t := tree{recursive: flags&unix.AT_RECURSIVE != 0}
	var err error
	if mountCalls() {
		t.fd, err = unix.OpenTree(dir, path, flags|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		return t, err
	}
	t.bound = true
	if path == "" {
		t.fd, err = unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 0)
		return t, err
	}
	mode := unix.O_PATH | unix.O_CLOEXEC
	if flags&unix.AT_SYMLINK_NOFOLLOW != 0 {
		mode |= unix.O_NOFOLLOW
	}
	t.fd, err = unix.Openat(dir, path, mode, 0)
	return t, err
}

// attach mounts the tree on the opened place. t.fd is then the attached mount if it was detached, else
// what it was.
func (t tree) attach(place int) error {
	if !t.bound {
		return unix.MoveMount(t.fd, "", place, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	}
	flags := uintptr(unix.MS_BIND)
	if t.recursive {
		flags |= unix.MS_REC
	}
	return unix.Mount(procFD(t.fd), procFD(place), "", flags, "")
}

// attachAt attaches the tree on the opened place of that path in the root and returns a descriptor of
// the mount, which is the caller's; t.fd is closed or becomes it.
func (in *initializer) attachAt(t tree, place int, target string) (int, error) {
	if err := t.attach(place); err != nil {
		_ = unix.Close(t.fd)
		return -1, err
	}
	if !t.bound {
		return t.fd, nil
	}
	_ = unix.Close(t.fd)
	return in.reopen(place, target)
}

// reopen opens what was mounted over the place by mount(2), and makes sure that it is that.
func (in *initializer) reopen(place int, target string) (int, error) {
	before, err := mountID(place)
	if err != nil {
		return -1, err
	}
	// What was mounted may be a link itself, and so may be what leads to it.
	for _, flags := range []int{unix.O_NOFOLLOW, 0} {
		f, err := in.root.OpenPath(target, flags)
		if err != nil {
			return -1, err
		}
		id, err := mountID(int(f.Fd()))
		fd := -1
		if err == nil && id != before {
			fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		}
		_ = f.Close()
		if err != nil || fd >= 0 {
			return fd, err
		}
	}
	return -1, &os.PathError{Op: "open mount", Path: target, Err: unix.ESTALE}
}

// mountID is the number of the mount that a file was opened in.
func mountID(fd int) (string, error) {
	b, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return "", err
	}
	for _, l := range strings.Split(string(b), "\n") {
		if id, ok := strings.CutPrefix(l, "mnt_id:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", unix.ENOSYS
}
