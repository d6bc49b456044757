package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CopyUp fills an empty volume with what the image has at the volume's destination.
//
// rootfs is the mounted root filesystem's directory; source is resolved inside it. The
// copy is made beside the data and then renamed over it, which the kernel does only to an
// empty directory: files that are there are never touched (CVE-2020-1726), and a kill in
// between leaves the volume empty and the copy-up to be done again. The caller holds the
// volume's lock and nothing has the volume mounted yet.
//
// copied is false, without an error, when the volume is not empty, is itself a mount
// point (a volume with type= and device=), or the image has no directory there.
// Owners, modes, times, extended attributes, hard links and special files are kept;
// sockets are left out, and so are device nodes where they cannot be made.
func CopyUp(rootfs *os.File, source, data string) (copied bool, err error) {
	dir := filepath.Dir(data)
	if err := removeLeftovers(dir); err != nil {
		return false, err
	}
	if empty, err := isEmpty(data); err != nil || !empty {
		return false, err
	}
	src, err := openIn(rootfs, source, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = src.Close() }()
	tmp, err := os.MkdirTemp(dir, copyPrefix+"*")
	if err != nil {
		return false, err
	}
	defer func() {
		if !copied {
			_ = os.RemoveAll(tmp)
		}
	}()
	if err := copyTree(src, tmp); err != nil {
		return false, fmt.Errorf("copy %s into the volume: %w", source, err)
	}
	// Data must be on disk before the name says that the volume is filled.
	if err := syncFilesystem(tmp); err != nil {
		return false, err
	}
	switch err := unix.Rename(tmp, data); { // os.Rename refuses directories
	case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST), errors.Is(err, unix.EBUSY), errors.Is(err, unix.EXDEV):
		// Filled meanwhile, or a mount point.
		return false, nil
	case err != nil:
		return false, err
	}
	return true, nil
}

// removeLeftovers deletes the copies of copy-ups that were killed.
func removeLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), copyPrefix) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func syncFilesystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.Syncfs(int(f.Fd()))
}
