// Package fsroot resolves paths inside a root directory that an enemy may have filled,
// and may be changing at the same moment.
//
// The naive way, joining the root's path with the inner path, follows the enemy's symbolic
// links out of the root. Here a path is resolved as after chroot: absolute links and ".."
// stay inside. The answer is a descriptor, never a string, so nothing is resolved twice; use
// the descriptor (AT_EMPTY_PATH, move_mount, Reopen) for what is to be done.
//
// The kernel resolves (openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, Linux 5.6). Where
// an outer filter hides openat2, a walk by descriptors does the same, component by component.
package fsroot

import (
	"errors"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is an opened root directory. Its methods may be used concurrently.
type Root struct {
	file *os.File
	walk bool // do not use openat2
}

// Open opens the directory at a trusted path as a root. Close it after use.
func Open(dir string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &Root{file: os.NewFile(uintptr(fd), dir)}, nil
}

// FromFile takes an opened directory (O_PATH will do) as a root and its ownership with it.
func FromFile(f *os.File) *Root { return &Root{file: f} }

// File is the root directory's descriptor, which stays the Root's.
func (r *Root) File() *os.File { return r.file }

// FD is the root directory's descriptor number.
func (r *Root) FD() int { return int(r.file.Fd()) }

// Close releases the descriptor.
func (r *Root) Close() error { return r.file.Close() }

// clean makes a path to be made relative to the root, ".." taken by name: what is to be made has
// no links yet. Paths to be opened are left as they are, since ".." after a link means the parent of
// the link's target.
func clean(p string) string {
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}

// OpenPath opens what p names, links followed inside the root, as O_PATH descriptor.
// flags may add O_DIRECTORY or O_NOFOLLOW. The caller closes the file.
func (r *Root) OpenPath(p string, flags int) (*os.File, error) {
	return r.OpenFile(p, unix.O_PATH|flags)
}

// OpenFile opens what p names with open(2) flags; O_CLOEXEC and O_NOCTTY are added. It does not
// create: see Create. Files of an image should be opened with O_NONBLOCK, so that a FIFO
// cannot hang the caller, and checked before reading: see ReadFile.
func (r *Root) OpenFile(p string, flags int) (*os.File, error) {
	if strings.IndexByte(p, 0) >= 0 {
		return nil, &os.PathError{Op: "open", Path: p, Err: unix.EINVAL}
	}
	flags |= unix.O_CLOEXEC
	if flags&unix.O_PATH == 0 {
		flags |= unix.O_NOCTTY
	}
	fd, err := r.open(strings.TrimLeft(p, "/"), flags)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p, Err: err}
	}
	return os.NewFile(uintptr(fd), p), nil
}

func (r *Root) open(rel string, flags int) (int, error) {
	if !r.walk {
		fd, err := openat2(r.FD(), rel, flags)
		if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
			return fd, err
		}
	}
	return walk(r.FD(), rel, flags)
}

// openat2 asks the kernel. It answers EAGAIN when a rename anywhere made a ".." doubtful.
func openat2(root int, rel string, flags int) (int, error) {
	if rel == "" {
		rel = "."
	}
	how := &unix.OpenHow{
		Flags:   uint64(flags),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	const tries = 128
	var fd int
	var err error
	for range tries {
		fd, err = unix.Openat2(root, rel, how)
		if err != unix.EAGAIN && err != unix.EINTR {
			break
		}
	}
	return fd, err
}

// Parent opens the directory that holds p, making missing parents with dirMode, and returns
// p's last name. The last name itself is not looked at. The root has no parent: EBUSY.
func (r *Root) Parent(p string, dirMode uint32) (*os.File, string, error) {
	rel := clean(p)
	if rel == "" {
		return nil, "", &os.PathError{Op: "open", Path: p, Err: unix.EBUSY}
	}
	dir, err := r.MkdirAll(path.Dir("/"+rel), dirMode)
	return dir, path.Base(rel), err
}
