package fsroot

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// Reopen opens what an O_PATH descriptor names, with new flags, through the caller's own
// /proc. The caller closes both.
func Reopen(f *os.File, flags int) (*os.File, error) {
	fd, err := reopen(int(f.Fd()), flags)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: f.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func reopen(fd, flags int) (int, error) {
	return unix.Open("/proc/self/fd/"+strconv.Itoa(fd), flags|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
}

// ReadFile returns the content of the regular file at p, links followed inside the root. A file
// of another kind (a FIFO would hang, a device would not end) or of more than limit bytes is an error.
func (r *Root) ReadFile(p string, limit int64) ([]byte, error) {
	f, err := r.OpenFile(p, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", p)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read %s: larger than %d bytes", p, limit)
	}
	return b, nil
}

// Create makes a new regular file at p for writing. A file or link that exists there is EEXIST;
// parents must exist.
func (r *Root) Create(p string, mode uint32) (*os.File, error) {
	rel := clean(p)
	dir, err := r.OpenPath(parentOf(rel), unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	fd, err := unix.Openat(int(dir.Fd()), baseOf(rel), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: p, Err: err}
	}
	return os.NewFile(uintptr(fd), p), nil
}

// Remove unlinks the file or link at p itself, or the empty directory.
func (r *Root) Remove(p string) error {
	rel := clean(p)
	dir, err := r.OpenPath(parentOf(rel), unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	err = unix.Unlinkat(int(dir.Fd()), baseOf(rel), 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(int(dir.Fd()), baseOf(rel), unix.AT_REMOVEDIR)
	}
	if err != nil {
		return &os.PathError{Op: "remove", Path: p, Err: err}
	}
	return nil
}

func parentOf(rel string) string { return path.Dir("/" + rel) }

func baseOf(rel string) string { return path.Base("/" + rel) }
