package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxDepth bounds the depth of a tree: two descriptors are open for each level.
const maxDepth = 1000

// copier copies one tree by descriptors, so that nothing in it can lead elsewhere.
type copier struct {
	root *os.File
	// links remember where the first name of a file with several went, relative to root.
	links map[inode]string
}

type inode struct{ dev, ino uint64 }

// copyTree copies the content and the attributes of src into the directory dst.
func copyTree(src *os.File, dst string) error {
	root, err := os.Open(dst)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	c := &copier{root: root, links: map[inode]string{}}
	return c.dir(src, root, "", 0)
}

// dir copies the entries of one directory and then its attributes, times last.
func (c *copier) dir(src, dst *os.File, path string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: more than %d directories deep", path, maxDepth)
	}
	for {
		names, err := src.Readdirnames(256)
		for _, name := range names {
			if err := c.entry(src, dst, name, path, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return err
	}
	return attributes(src, dst, &st)
}

func (c *copier) entry(src, dst *os.File, name, parent string, depth int) error {
	path := name
	if parent != "" {
		path = parent + "/" + name
	}
	sfd, dfd := int(src.Fd()), int(dst.Fd())
	var st unix.Stat_t
	if err := unix.Fstatat(sfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		key := inode{st.Dev, st.Ino}
		if first, again := c.links[key]; again {
			return unix.Linkat(int(c.root.Fd()), first, dfd, name, 0)
		}
		c.links[key] = path
	}
	var err error
	switch kind {
	case unix.S_IFDIR:
		err = c.subdir(src, dst, name, path, depth)
	case unix.S_IFREG:
		err = c.regular(src, dst, name, &st)
	case unix.S_IFLNK:
		err = symlink(sfd, dfd, name, &st)
	case unix.S_IFIFO, unix.S_IFCHR, unix.S_IFBLK:
		err = c.node(dfd, name, &st)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (c *copier) subdir(src, dst *os.File, name, path string, depth int) error {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	sfd, err := unix.Openat(int(src.Fd()), name, flags, 0)
	if err != nil {
		return err
	}
	s := os.NewFile(uintptr(sfd), path)
	defer func() { _ = s.Close() }()
	if err := unix.Mkdirat(int(dst.Fd()), name, 0o700); err != nil {
		return err
	}
	dfd, err := unix.Openat(int(dst.Fd()), name, flags, 0)
	if err != nil {
		return err
	}
	d := os.NewFile(uintptr(dfd), path)
	defer func() { _ = d.Close() }()
	return c.dir(s, d, path, depth+1)
}

func (c *copier) regular(src, dst *os.File, name string, st *unix.Stat_t) error {
	sfd, err := unix.Openat(int(src.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s := os.NewFile(uintptr(sfd), name)
	defer func() { _ = s.Close() }()
	dfd, err := unix.Openat(int(dst.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	d := os.NewFile(uintptr(dfd), name)
	defer func() { _ = d.Close() }()
	if unix.IoctlFileClone(dfd, sfd) != nil {
		// io.Copy uses copy_file_range.
		if _, err := io.Copy(d, s); err != nil {
			return err
		}
	}
	if err := attributes(s, d, st); err != nil {
		return err
	}
	return d.Close()
}

func symlink(sfd, dfd int, name string, st *unix.Stat_t) error {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(sfd, name, target)
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(target[:n]), dfd, name); err != nil {
		return err
	}
	return ownAndTimes(dfd, name, st)
}

// node makes a FIFO or device; without the right to make devices they are left out.
func (c *copier) node(dfd int, name string, st *unix.Stat_t) error {
	err := unix.Mknodat(dfd, name, st.Mode, int(st.Rdev))
	if errors.Is(err, unix.EPERM) && st.Mode&unix.S_IFMT != unix.S_IFIFO {
		delete(c.links, inode{st.Dev, st.Ino})
		return nil
	}
	if err != nil {
		return err
	}
	if err := unix.Fchownat(dfd, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	// The node was made above and nobody else writes here, so its name still is it.
	if err := unix.Fchmodat(dfd, name, st.Mode&0o7777, 0); err != nil {
		return err
	}
	return times(dfd, name, st)
}

func ownAndTimes(dfd int, name string, st *unix.Stat_t) error {
	if err := unix.Fchownat(dfd, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return times(dfd, name, st)
}

func times(dfd int, name string, st *unix.Stat_t) error {
	return unix.UtimesNanoAt(dfd, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// attributes gives dst the owner, mode, extended attributes and times of src. The owner
// comes first: a change of it clears set-id bits and file capabilities.
func attributes(src, dst *os.File, st *unix.Stat_t) error {
	dfd := int(dst.Fd())
	if err := unix.Fchown(dfd, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(dfd, st.Mode&0o7777); err != nil {
		return err
	}
	if err := copyXattrs(int(src.Fd()), dfd); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(dfd), []unix.Timespec{st.Atim, st.Mtim}, 0)
}

// maxXattr is the kernel's XATTR_SIZE_MAX and XATTR_LIST_MAX.
const maxXattr = 64 << 10

// copyXattrs copies user attributes, ACLs and file capabilities. Labels stay the
// volume's own, and an overlay's control attributes mean nothing here.
func copyXattrs(src, dst int) error {
	size, err := unix.Flistxattr(src, nil)
	if err != nil || size == 0 {
		return ignoreUnsupported(err)
	}
	list := make([]byte, maxXattr)
	if size, err = unix.Flistxattr(src, list); err != nil {
		return err
	}
	for name := range bytes.SplitSeq(list[:size], []byte{0}) {
		key := string(name)
		if key == "" || key == "security.selinux" || strings.Contains(key, ".overlay.") {
			continue
		}
		value := make([]byte, maxXattr)
		n, err := unix.Fgetxattr(src, key, value)
		if err != nil {
			return fmt.Errorf("attribute %s: %w", key, err)
		}
		if err := ignoreUnsupported(unix.Fsetxattr(dst, key, value[:n], 0)); err != nil {
			return fmt.Errorf("attribute %s: %w", key, err)
		}
	}
	return nil
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
