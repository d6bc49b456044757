package initproc

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxCopyDepth bounds the directories that tmpcopyup descends into; an image may nest without end.
const maxCopyDepth = 200

// copyUp copies the tree at an opened directory into a new mount: directories, regular files and
// links, with owner and mode. Device nodes, sockets and FIFOs are left out. The top keeps the
// mode that it was mounted with.
func copyUp(from, to int) error {
	src, err := unix.Openat(from, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dst, err := unix.Openat(to, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(src)
		return err
	}
	return copyDir(src, dst, maxCopyDepth)
}

// copyDir closes both descriptors.
func copyDir(src, dst, depth int) error {
	s, d := os.NewFile(uintptr(src), "source"), os.NewFile(uintptr(dst), "copy")
	defer func() { _, _ = s.Close(), d.Close() }()
	if depth == 0 {
		return unix.ELOOP
	}
	entries, err := s.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range entries {
		if err := copyEntry(src, dst, name, depth); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return err
	}
	if err := unix.Fchown(dst, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if depth == maxCopyDepth {
		return nil
	}
	return unix.Fchmod(dst, st.Mode&0o7777)
}

func copyEntry(src, dst int, name string, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(src, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if err := unix.Mkdirat(dst, name, 0o700); err != nil && err != unix.EEXIST {
			return err
		}
		const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		s, err := unix.Openat(src, name, flags, 0)
		if err != nil {
			return err
		}
		d, err := unix.Openat(dst, name, flags, 0)
		if err != nil {
			_ = unix.Close(s)
			return err
		}
		return copyDir(s, d, depth-1)
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(src, name, buf)
		if err != nil {
			return err
		}
		if err := unix.Symlinkat(string(buf[:n]), dst, name); err != nil {
			return err
		}
		return unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
	case unix.S_IFREG:
		return copyFile(src, dst, name, &st)
	}
	return nil
}

func copyFile(src, dst int, name string, st *unix.Stat_t) error {
	s, err := unix.Openat(src, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	in := os.NewFile(uintptr(s), name)
	defer func() { _ = in.Close() }()
	d, err := unix.Openat(dst, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(d), name)
	defer func() { _ = out.Close() }()
	if _, err := io.Copy(out, io.LimitReader(in, st.Size)); err != nil {
		return err
	}
	if err := unix.Fchown(d, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Fchmod(d, st.Mode&0o7777)
}
