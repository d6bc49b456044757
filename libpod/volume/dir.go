package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

const (
	dataName       = "_data"
	copyPrefix     = "_copyup-"
	removingPrefix = ".removing-"
	notePrefix     = ".note-"
)

// NewName makes a name for an anonymous volume: 64 hexadecimal digits.
func NewName() string { return define.NewID() }

// DataPath is where a volume's data lies below the directory of all volumes.
func DataPath(volumes, name string) string { return filepath.Join(volumes, name, dataName) }

// Owner is who a new volume belongs to.
type Owner struct{ UID, GID int }

// Create makes a volume's directories and returns the path of its data. Nobody but the
// owner of the store can pass through them (CVE-2021-41103 is about that).
//
// An empty directory that an interrupted create left is taken over; one with files in it
// is an error of class exists. A bad name is of class invalid.
func Create(volumes, name string, owner Owner) (string, error) {
	if !define.ValidName(name) {
		return "", errdefs.New(errdefs.ErrInvalid, "volume", name, "not a valid name").
			WithHint("start with a letter or digit and use letters, digits, '_', '.' and '-' only")
	}
	if err := os.MkdirAll(filepath.Join(volumes, name), 0o700); err != nil {
		return "", err
	}
	data := DataPath(volumes, name)
	err := os.Mkdir(data, 0o755)
	if errors.Is(err, fs.ErrExist) {
		empty, err := isEmpty(data)
		if err != nil {
			return "", err
		}
		if !empty {
			return "", errdefs.New(errdefs.ErrExists, "volume", name, "%s holds files already", data).
				WithHint("move them away, or choose another name")
		}
	} else if err != nil {
		return "", err
	}
	// The umask may have taken bits away.
	if err := os.Chmod(data, 0o755); err != nil {
		return "", err
	}
	if err := os.Lchown(data, owner.UID, owner.GID); err != nil && (owner != Owner{os.Geteuid(), os.Getegid()}) {
		return "", fmt.Errorf("give volume %s to %d:%d: %w", name, owner.UID, owner.GID, err)
	}
	return data, nil
}

// Sync writes the directories of a volume that was made to the disk, so that its row does not outlive them.
func Sync(volumes, name string) error {
	for _, dir := range []string{filepath.Join(volumes, name), volumes} {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// NotePath is the file that a removal makes, and holds the lock of, before it forgets the row:
// whoever finds files and note without a row, after a kill, knows that the files are given up.
func NotePath(volumes, name string) string { return filepath.Join(volumes, notePrefix+name) }

// Remove deletes a volume's files. They vanish from their place at once; the rest can be
// interrupted and Sweep ends it. A volume that is not there is no error; one with
// something mounted in it is of class in use.
func Remove(volumes, name string) error {
	if !define.ValidName(name) {
		return errdefs.New(errdefs.ErrInvalid, "volume", name, "not a valid name")
	}
	dir := filepath.Join(volumes, name)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return errdefs.New(errdefs.ErrInUse, "volume", name, "%s is mounted", mounts[0].Mountpoint)
	}
	gone := filepath.Join(volumes, removingPrefix+define.NewID())
	if err := os.Rename(dir, gone); err != nil {
		return err
	}
	fault.Point("volume: out of its place")
	return os.RemoveAll(gone)
}

// Notes lists the volumes that have a note, see NotePath.
func Notes(volumes string) ([]string, error) {
	entries, err := os.ReadDir(volumes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), notePrefix); ok {
			names = append(names, name)
		}
	}
	return names, err
}

// Sweep finishes removals that were interrupted.
func Sweep(volumes string) error {
	entries, err := os.ReadDir(volumes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), removingPrefix) {
			errs = append(errs, os.RemoveAll(filepath.Join(volumes, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// Size is the sum of the sizes of a volume's files in bytes; a file with several names
// counts once.
func Size(data string) (int64, error) {
	type inode struct{ dev, ino uint64 }
	seen := map[inode]bool{}
	var total int64
	err := filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ignoreGone(err)
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return ignoreGone(err)
		}
		if st.Nlink > 1 {
			key := inode{st.Dev, st.Ino}
			if seen[key] {
				return nil
			}
			seen[key] = true
		}
		total += st.Size
		return nil
	})
	return total, err
}

// ignoreGone forgives files that a running container removed meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// OpenSubpath opens a path inside a volume (or a mounted image) for use as a mount
// source; links in it stay inside. The caller closes the O_PATH descriptor, and mounts
// from it rather than from a path. Class not found when it is not there.
func OpenSubpath(data, subpath string) (*os.File, error) {
	root, err := os.Open(data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	f, err := openIn(root, subpath, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, errdefs.New(errdefs.ErrNotFound, "subpath", subpath, "not in the volume")
	}
	return f, err
}

// openIn opens a path as chroot would see it.
func openIn(root *os.File, path string, flags uint64) (*os.File, error) {
	rel := strings.TrimLeft(path, "/")
	if rel == "" {
		rel = "."
	}
	// The kernel answers EAGAIN when something was renamed while it walked "..".
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(int(root.Fd()), rel, &unix.OpenHow{
			Flags:   flags | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
		if err == nil {
			return os.NewFile(uintptr(fd), path), nil
		}
		if tries == 32 || !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
	}
}

func isEmpty(dir string) (bool, error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	_, err = f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}
