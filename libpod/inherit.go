package libpod

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// maxInherited is the highest descriptor that can be passed on with gaps below it: each number
// below costs the monitor a descriptor, and a process may usually have 1,024 of them.
const maxInherited = 1023

// inherit takes this process's own descriptors for a container's program: --preserve-fds and
// --preserve-fd. Entry i is descriptor 3+i, nil for one that is not passed. The caller closes the
// copies.
func inherit(numbers []uint) ([]*os.File, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	var files []*os.File
	for _, n := range slices.Compact(numbers) {
		if n < 3 {
			closeFiles(files)
			return nil, errdefs.Invalid("--preserve-fd", fmt.Sprint(n), "0, 1 and 2 are the standard streams").WithHint("name descriptors from 3 on")
		}
		if uint(len(files))+3 != n && n > maxInherited {
			closeFiles(files)
			return nil, errdefs.Invalid("--preserve-fd", fmt.Sprint(n), "higher than %d", maxInherited).WithHint("pass a lower number, for example with 3<&%d", n)
		}
		for uint(len(files))+3 < n {
			files = append(files, nil)
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

// closeExtra closes all files of the start.
func (s *start) closeExtra() {
	closeFiles(s.extra)
	for _, f := range s.trees {
		_ = f.Close()
	}
	s.extra, s.trees = nil, nil
}
