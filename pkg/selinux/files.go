package selinux

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

const attribute = "security.selinux"

// maxDepth bounds how deep Relabel goes, which has a descriptor for each level.
const maxDepth = 512

// Label is the label of what a path leads to, "" if it has none.
func Label(path string) string {
	return read(func(b []byte) (int, error) { return unix.Getxattr(path, attribute, b) })
}

func read(get func([]byte) (int, error)) string {
	buf := make([]byte, 4096)
	n, err := get(buf)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(buf[:n]), "\x00")
}

// Set gives one file a label; a link is not followed. With no label it does nothing, and it leaves files as they are whose
// file system keeps none.
func Set(path, label string) error {
	if label == "" {
		return nil
	}
	return labelError(path, label, unix.Lsetxattr(path, attribute, []byte(label), 0))
}

// SetFile is Set for an open file.
func SetFile(f *os.File, label string) error {
	if label == "" {
		return nil
	}
	return labelError(f.Name(), label, unix.Fsetxattr(int(f.Fd()), attribute, []byte(label), 0))
}

// labelError explains why a file did not get a label.
func labelError(path, label string, err error) error {
	if err == nil || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	e := &errdefs.Error{
		Op: "label", Name: path, Class: errdefs.ErrUnavailable, Cause: fmt.Errorf("SELinux context %s: %w", label, err),
		Hint: "leave z and Z out, or give --security-opt label=disable",
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		e.Class = errdefs.ErrPermission
		e.Hint = "let its owner label it (chcon --recursive --type " + TypeOf(label) + " PATH), or give --security-opt label=disable"
	}
	return e
}

// systemDirs are those whose files other programs need with the labels that they have.
var systemDirs = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/etc/pki", "/etc/ssh", "/etc/selinux", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc",
	"/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/sbin", "/usr/share",
	"/var", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp", "/etc/passwd", "/etc/shadow", "/etc/group",
}

// CheckRelabel refuses to relabel a system directory, a home, and what holds one of them, by whatever name or mount it
// is reached: ErrInvalid.
func CheckRelabel(path string) error {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return check(f, path)
}

func check(f *os.File, path string) error {
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	refuse := func(what string) error {
		return errdefs.Invalid("--volume", path, "SELinux labels of %s are not changed, since programs of the host need them", what).
			WithHint("use a directory of its own with z or Z, or leave them out and give --security-opt label=disable")
	}
	if filepath.Dir(real) == "/home" {
		return refuse("a home directory")
	}
	for _, dir := range append(homes(), systemDirs...) {
		if strings.HasPrefix(dir, real+"/") {
			return refuse("a directory that holds " + dir)
		}
		if other, err := os.Stat(dir); err == nil && os.SameFile(info, other) {
			return refuse(dir)
		}
	}
	return nil
}

// homes are the home directories of whoever calls: also of the user behind sudo.
func homes() []string {
	var list []string
	add := func(dir string) {
		if filepath.IsAbs(dir) && filepath.Clean(dir) != "/" {
			list = append(list, filepath.Clean(dir))
		}
	}
	add(os.Getenv("HOME"))
	if name := os.Getenv("SUDO_USER"); name != "" {
		if u, err := user.Lookup(name); err == nil {
			add(u.HomeDir)
		}
	}
	return list
}

// Relabel gives a file, or a directory and all in it, a label. Links are not followed, and what is mounted below keeps its
// labels. A file system without labels is left as it is. CheckRelabel's refusals are its own.
func Relabel(path, label string) error {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := check(f, path); err != nil {
		return err
	}
	return RelabelTree(f, label)
}

// RelabelTree is Relabel of what is ours, by a descriptor that may be O_PATH.
func RelabelTree(f *os.File, label string) error {
	mount, dir, err := mountOf(int(f.Fd()), "")
	if err != nil {
		return &os.PathError{Op: "label", Path: f.Name(), Err: err}
	}
	w := walk{label: label, mount: mount}
	self := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if dir {
		fd, err := unix.Open(self, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: f.Name(), Err: err}
		}
		if err := w.inside(fd, f.Name(), 0); err != nil {
			return err
		}
	}
	// Last, and through the link in /proc: it is what the descriptor stands for.
	return w.one(self, f.Name(), unix.Getxattr, unix.Setxattr)
}

// walk relabels one mount.
type walk struct {
	label string
	mount uint64
}

// inside labels what is in a directory, whose descriptor it closes.
func (w *walk) inside(fd int, path string, depth int) error {
	dir := os.NewFile(uintptr(fd), path)
	defer func() { _ = dir.Close() }()
	if depth >= maxDepth {
		return errdefs.New(errdefs.ErrUnsupported, "directory", path, "it lies %d directories deep, too deep to be labelled", maxDepth).
			WithHint("label the tree with \"chcon --recursive\", and leave z and Z out")
	}
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			if err := w.entry(fd, name, filepath.Join(path, name), depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *walk) entry(fd int, name, path string, depth int) error {
	mount, isDir, err := mountOf(fd, name)
	if errors.Is(err, unix.ENOENT) || err == nil && mount != w.mount {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "label", Path: path, Err: err}
	}
	if isDir {
		sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP):
			return nil // somebody changes the tree; what he makes has his directory's label
		case err != nil:
			return &os.PathError{Op: "open", Path: path, Err: err}
		}
		if err := w.inside(sub, path, depth+1); err != nil {
			return err
		}
	}
	// The directory is named by its descriptor, and the last part is not followed.
	return w.one(fmt.Sprintf("/proc/self/fd/%d/%s", fd, name), path, unix.Lgetxattr, unix.Lsetxattr)
}

// one labels one file unless it has the label.
func (w *walk) one(at, path string, get func(string, string, []byte) (int, error), set func(string, string, []byte, int) error) error {
	if read(func(b []byte) (int, error) { return get(at, attribute, b) }) == w.label {
		return nil
	}
	err := set(at, attribute, []byte(w.label), 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return labelError(path, w.label, err)
}

// mountOf tells which mount a name is in, and whether it is a directory. Source: statx(2), since Linux 5.8.
func mountOf(fd int, name string) (mount uint64, dir bool, err error) {
	var st unix.Statx_t
	flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_STATX_DONT_SYNC
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if err := unix.Statx(fd, name, flags, unix.STATX_TYPE|unix.STATX_MNT_ID, &st); err != nil {
		return 0, false, err
	}
	return st.Mnt_id, st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}
