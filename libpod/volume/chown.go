package volume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Chown gives one directory to a user; what is in it stays as it is. For the first use of
// an empty volume.
func Chown(dir string, uid, gid int) error {
	return os.Lchown(dir, uid, gid)
}

// systemDirs are what a host cannot do without its own owners.
var systemDirs = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/media", "/mnt", "/opt", "/proc", "/root", "/run",
	"/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/sbin", "/usr/share", "/var", "/var/lib", "/var/log", "/var/tmp",
}

// CheckChown refuses to give the host's own directories, or a user's home, to a container. Links are followed.
func CheckChown(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	dirs := systemDirs
	if home := os.Getenv("HOME"); home != "" {
		dirs = append(slices.Clip(dirs), filepath.Clean(home))
	}
	below := slices.ContainsFunc([]string{"/boot/", "/dev/", "/etc/", "/proc/", "/sys/"}, func(dir string) bool { return strings.HasPrefix(real, dir) })
	if below || slices.Contains(dirs, real) {
		return errdefs.Invalid("--volume", path, "the option U would give %s, which belongs to the system, to the container", real).
			WithHint("leave U out, or mount a directory below it")
	}
	return nil
}

// ChownTree gives a file or directory and everything below to a user (the option U).
// Links are given themselves and never followed; what has the right owner is left alone.
func ChownTree(path string, uid, gid int) error {
	if _, err := os.Lstat(path); err != nil {
		return err
	}
	return chownEntry(unix.AT_FDCWD, path, uid, gid, 0)
}

func chownEntry(parent int, name string, uid, gid, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return ignoreGone(err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := chownDir(parent, name, uid, gid, depth); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if int(st.Uid) == uid && int(st.Gid) == gid {
		return nil
	}
	return ignoreGone(unix.Fchownat(parent, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW))
}

func chownDir(parent int, name string, uid, gid, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ignoreGone(err)
	}
	dir := os.NewFile(uintptr(fd), name)
	defer func() { _ = dir.Close() }()
	for {
		names, err := dir.Readdirnames(256)
		for _, n := range names {
			if err := chownEntry(fd, n, uid, gid, depth+1); err != nil {
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
