package fsroot

import (
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is the kernel's own bound on links in one path.
const maxLinks = 40

// walk resolves like openat2 with RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS. Every component is opened
// by itself without following links; ".." takes the descriptor before, so that a directory
// that is moved meanwhile never leads out of the root.
func walk(root int, rel string, flags int) (int, error) {
	w := &walker{todo: split(rel)}
	fd, err := unix.FcntlInt(uintptr(root), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	w.stack = []int{fd}
	defer w.close()
	for len(w.todo) > 0 {
		name := w.todo[0]
		w.todo = w.todo[1:]
		if err := w.step(name, flags); err != nil {
			return -1, err
		}
	}
	return w.finish(flags)
}

type walker struct {
	stack []int // descriptors from the root to the present place
	todo  []string
	links int
}

func (w *walker) top() int { return w.stack[len(w.stack)-1] }

func (w *walker) close() {
	for _, fd := range w.stack {
		_ = unix.Close(fd)
	}
}

func (w *walker) step(name string, flags int) error {
	if name == ".." {
		if len(w.stack) > 1 {
			_ = unix.Close(w.top())
			w.stack = w.stack[:len(w.stack)-1]
		}
		return nil
	}
	fd, err := unix.Openat(w.top(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return err
	}
	last := len(w.todo) == 0
	if st.Mode&unix.S_IFMT != unix.S_IFLNK || last && flags&unix.O_NOFOLLOW != 0 {
		if !last && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			_ = unix.Close(fd)
			return unix.ENOTDIR
		}
		w.stack = append(w.stack, fd)
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	return w.follow(fd)
}

// follow puts a link's target in front of what is left to do.
func (w *walker) follow(link int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(link, &fs); err != nil {
		return err
	}
	if fs.Type == unix.PROC_SUPER_MAGIC {
		return unix.ELOOP // may be a magic link; openat2 tells them apart, this walk refuses all
	}
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(link, "", buf)
	if err != nil {
		return err
	}
	target := string(buf[:n])
	if strings.HasPrefix(target, "/") {
		for _, fd := range w.stack[1:] {
			_ = unix.Close(fd)
		}
		w.stack = w.stack[:1]
	}
	w.todo = append(split(target), w.todo...)
	return nil
}

// finish turns the O_PATH descriptor on top into one with the flags asked for.
func (w *walker) finish(flags int) (int, error) {
	fd := w.top()
	if flags&unix.O_DIRECTORY != 0 {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return -1, err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return -1, unix.ENOTDIR
		}
	}
	if flags&unix.O_PATH != 0 {
		w.stack = w.stack[:len(w.stack)-1]
		return fd, nil
	}
	return reopen(fd, flags&^unix.O_NOFOLLOW)
}

func split(p string) []string {
	var parts []string
	for _, s := range strings.Split(p, "/") {
		if s != "" && s != "." {
			parts = append(parts, s)
		}
	}
	return parts
}
