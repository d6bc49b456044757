package libpod

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// inherit takes this process's own descriptors for a container's program: --preserve-fds and
// --preserve-fd. The caller closes the copies.
func inherit(numbers []uint) ([]*os.File, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	var files []*os.File
	for i, n := range slices.Compact(numbers) {
		if n < 3 {
			closeFiles(files)
			return nil, errdefs.Invalid("--preserve-fd", fmt.Sprint(n), "0, 1 and 2 are the standard streams").WithHint("name descriptors from 3 on")
		}
		if uint(i)+3 != n {
			closeFiles(files)
			return nil, errdefs.Unsupported("--preserve-fd", "descriptors with gaps (%d is not passed) are not available in this version", i+3)
		}
		// What the caller left open for us survives exec; whatever we opened ourselves does not.
		flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
		fd := -1
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			fd, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
		}
		if err != nil || fd < 0 {
			closeFiles(files)
			return nil, errdefs.Invalid("--preserve-fds", fmt.Sprint(n), "descriptor %d is not open", n).WithHint("open it before, for example with %d<FILE", n)
		}
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("descriptor %d", n)))
	}
	return files, nil
}

// openExtra takes the descriptors that the container asks for.
func (s *start) openExtra() error {
	var err error
	s.extra, err = inherit(s.cfg.Process.PreserveFDs)
	return err
}

func (s *start) closeExtra() { closeFiles(s.extra); s.extra = nil }
