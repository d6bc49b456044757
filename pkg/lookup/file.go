package lookup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

const (
	// maxFileSize bounds passwd and group files; containerd uses the same bound.
	maxFileSize = 10 << 20
	// maxLine bounds one line. The longest honest ones are groups with many members.
	maxLine = 64 << 10
)

// ReadFile reads a file inside root: links are followed within it only, it must be
// regular and at most 10 MiB, with no line over 64 KiB. A file that is not there is
// empty. root is a directory (O_PATH will do) and stays the caller's. Errors are of
// class corrupt when the file is not what it must be.
func ReadFile(root *os.File, name string) ([]byte, error) {
	path, err := openInRoot(root, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, errdefs.New(errdefs.ErrCorrupt, "file", "/"+name, "%w", err)
	}
	defer func() { _ = unix.Close(path) }()
	var st unix.Stat_t
	if err := unix.Fstat(path, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errdefs.New(errdefs.ErrCorrupt, "file", "/"+name, "not a regular file")
	}
	// Opened for reading only now that it is known to be no device: opening one can act.
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(path), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /%s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	if st.Size > maxFileSize {
		return nil, tooLarge(name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read /%s: %w", name, err)
	}
	if len(data) > maxFileSize {
		return nil, tooLarge(name)
	}
	for rest := data; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte{'\n'})
		if len(line) > maxLine {
			return nil, errdefs.New(errdefs.ErrCorrupt, "file", "/"+name, "has a line of more than %d bytes", maxLine)
		}
		rest = after
	}
	return data, nil
}

func tooLarge(name string) error {
	return errdefs.New(errdefs.ErrCorrupt, "file", "/"+name, "larger than %d bytes", maxFileSize)
}

// openInRoot opens a path as chroot would see it, for looking only.
func openInRoot(root *os.File, name string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	// The kernel answers EAGAIN when something was renamed while it walked "..".
	const tries = 32
	var fd int
	var err error
	for range tries {
		fd, err = unix.Openat2(int(root.Fd()), name, &how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return fd, err
}
