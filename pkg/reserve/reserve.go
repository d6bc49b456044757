// Package reserve keeps a little room on a disk for the day when there is none: ending and removing
// things writes a little before it frees much, and must not need room that nobody has.
package reserve

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// plenty is how many times the reserve's size must be free before one that was spent is made anew:
// what it gave must not be taken back from the one who needs it.
const plenty = 8

// inodes is how many more files are kept, empty ones, for a disk that has bytes but no inodes: what is written anew beside
// the old, and what is unmounted by way of another directory, needs a few for a moment.
const inodes = 8

// Keep makes the reserve, a file of that many bytes and the empty ones, when it is missing. A disk without room for it is no
// error.
func Keep(path string, size int64) {
	if st, err := os.Lstat(path); err == nil && st.Size() == size {
		return
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &disk); err != nil || int64(disk.Bavail)*disk.Bsize < plenty*size ||
		disk.Files > 0 && disk.Ffree < plenty*inodes {
		return
	}
	for n := range inodes {
		f, err := os.OpenFile(empty(path, n), os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return
		}
		_ = f.Close()
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Join(err, f.Close()) != nil {
		_ = os.Remove(path)
	}
}

// Spend gives the reserve to the disk, and reports whether there was one.
func Spend(path string) bool {
	for n := range inodes {
		_ = os.Remove(empty(path, n))
	}
	return os.Remove(path) == nil
}

// empty is the nth empty file beside a reserve.
func empty(path string, n int) string { return path + "." + strconv.Itoa(n) }

// Full says that an error is about a disk, or a quota, that has no room.
func Full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
