package fsroot

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// MkdirAll makes the directory p and its missing parents with the mode (the umask applies) and
// opens it as O_PATH. Links on the way are followed inside the root; what a link to nothing
// names is made there, since images are full of links into directories that come later (/run).
func (r *Root) MkdirAll(p string, mode uint32) (*os.File, error) {
	f, err := r.mkdirAll(p, mode, maxLinks)
	if err != nil {
		return nil, fmt.Errorf("make directory %s: %w", p, err)
	}
	return f, nil
}

func (r *Root) mkdirAll(p string, mode uint32, links int) (*os.File, error) {
	rel := clean(p)
	f, err := r.OpenPath(rel, unix.O_DIRECTORY)
	if err == nil || rel == "" || !errors.Is(err, unix.ENOENT) {
		return f, err
	}
	// From the end: mostly the parent is there, and only the last part is missing.
	parent, err := r.mkdirAll(path.Dir(rel), mode, links)
	if err != nil {
		return nil, err
	}
	defer func() { _ = parent.Close() }()
	return r.makeIn(parent, rel, mode, links)
}

// makeIn makes and opens the directory p, whose parent is open.
func (r *Root) makeIn(parent *os.File, p string, mode uint32, links int) (*os.File, error) {
	name := path.Base(p)
	if err := unix.Mkdirat(int(parent.Fd()), name, mode); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, err
	}
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), p)
	kind, target, err := lookAt(fd, p)
	switch {
	case err == nil && kind == unix.S_IFDIR:
		return f, nil
	case err == nil && kind == unix.S_IFLNK && links > 0:
		_ = f.Close()
		return r.mkdirAll(target, mode, links-1)
	case err == nil && kind == unix.S_IFLNK:
		err = unix.ELOOP
	case err == nil:
		err = unix.ENOTDIR
	}
	_ = f.Close()
	return nil, err
}

// lookAt returns the type of an opened entry and, of a link at the path p, where it leads
// as a path of the root.
func lookAt(fd int, p string) (kind uint32, target string, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, "", err
	}
	kind = st.Mode & unix.S_IFMT
	if kind != unix.S_IFLNK {
		return kind, "", nil
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return 0, "", err
	}
	if target = string(buf[:n]); !path.IsAbs(target) {
		target = path.Join("/", path.Dir(p), target)
	}
	return kind, target, nil
}

// Touch makes sure that a file is at p, to mount over: what exists is opened, links followed
// inside the root; what is missing is made as an empty regular file, its parents with 0755.
func (r *Root) Touch(p string, mode uint32) (*os.File, error) { return r.touch(p, mode, maxLinks) }

func (r *Root) touch(p string, mode uint32, links int) (*os.File, error) {
	f, err := r.OpenPath(p, 0)
	if err == nil || !errors.Is(err, unix.ENOENT) {
		return f, err
	}
	dir, name, err := r.Parent(p, 0o755)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	// mknodat never follows a link and never opens what is there.
	if err := unix.Mknodat(int(dir.Fd()), name, unix.S_IFREG|mode, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &os.PathError{Op: "create", Path: p, Err: err}
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p, Err: err}
	}
	f = os.NewFile(uintptr(fd), p)
	kind, target, err := lookAt(fd, clean(p))
	if err == nil && kind != unix.S_IFLNK {
		return f, nil
	}
	_ = f.Close()
	if err == nil && links > 0 {
		return r.touch(target, mode, links-1)
	}
	return nil, &os.PathError{Op: "open", Path: p, Err: errors.Join(err, unix.ELOOP)}
}
