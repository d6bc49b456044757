package launch

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// protect returns a view of the program that no process can write to, whatever its
// privileges: a detached read-only clone of the file's mount, or a sealed copy in memory where
// that cannot be made. A container that reaches it through /proc/PID/exe gets EROFS or EPERM.
// The caller closes the result.
func protect(program *os.File) (*os.File, error) {
	fd := int(program.Fd())
	const sealed = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	if seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err == nil && seals&sealed == sealed {
		return dup(program)
	}
	if f, err := detachReadonly(fd); err == nil {
		return f, nil
	}
	return sealedCopy(fd)
}

func detachReadonly(fd int) (*os.File, error) {
	tree, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, err
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOSUID}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, attr); err != nil {
		_ = unix.Close(tree)
		return nil, err
	}
	return os.NewFile(uintptr(tree), "program"), nil
}

func sealedCopy(fd int) (*os.File, error) {
	src, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }()
	// MFD_EXEC is asked for by kernels from 6.3 on and unknown to those before.
	mem, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		mem, err = unix.MemfdCreate("program", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, err
	}
	dst := os.NewFile(uintptr(mem), "program")
	if _, err := io.Copy(dst, src); err != nil {
		_ = dst.Close()
		return nil, err
	}
	_, err = unix.FcntlInt(uintptr(mem), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	if err != nil {
		_ = dst.Close()
		return nil, err
	}
	return dst, nil
}

func dup(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
