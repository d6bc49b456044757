package initproc

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// ownNull puts the container's null device in the place of the host's in descriptors 0 to 2. The
// host's keeps a mount of the host reachable from inside, and cannot be dumped with the container.
// A root without a null device, or one that may not open it, keeps the host's.
func (in *initializer) ownNull() *launch.Failure {
	for fd := range 3 {
		if isDevice(fd, unix.S_IFCHR, 1, 3) != nil {
			continue
		}
		place := in.nullInside()
		if place == nil {
			return nil
		}
		mode, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err == nil {
			err = replaceFD(place, mode&unix.O_ACCMODE, fd)
		}
		_ = place.Close()
		if err != nil {
			return failure("stdio", "/dev/null", err)
		}
	}
	return nil
}

// nullInside is the container's null device, nil if it has none. The image may have anything of that
// name; it is looked at before it is opened.
func (in *initializer) nullInside() *os.File {
	place, err := in.root.OpenPath("/dev/null", 0)
	if err != nil {
		return nil
	}
	if isDevice(int(place.Fd()), unix.S_IFCHR, 1, 3) != nil {
		_ = place.Close()
		return nil
	}
	return place
}

// replaceFD opens a file anew in the place of a descriptor. What may not be opened leaves the descriptor.
func replaceFD(place *os.File, mode, fd int) error {
	f, err := fsroot.Reopen(place, mode)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENXIO) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.Dup3(int(f.Fd()), fd, 0)
}
