package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
)

// CanMap says whether the storage driver can show a layer with the owners of a user namespace, so that nothing
// has to be copied: by id-mapped mounts of the layers (overlay, root, Linux 5.19), or by fuse-overlayfs.
//
// A layer's own directory belongs to 0, so a map without that id would close it to everybody.
func (s *Service) CanMap(ids IDs) (bool, error) {
	_, ok1 := ids.UIDs.ToOutside(0)
	_, ok2 := ids.GIDs.ToOutside(0)
	if !ok1 || !ok2 {
		return false, nil
	}
	store, err := s.Store()
	if err != nil {
		return false, err
	}
	driver, err := store.GraphDriver()
	if err != nil {
		return false, err
	}
	return driver.SupportsShifting(storeMap(ids.UIDs), storeMap(ids.GIDs)), nil
}

// shiftRootfs gives the files of a container's root filesystem to the ids that its user namespace has outside.
// It is for drivers that cannot map: each file is copied into the container's layer, or cloned where the file
// system below can. No lock of the store is held meanwhile. It must run once only, on a new layer: a caller that
// was killed has to delete the layer.
func (s *Service) shiftRootfs(ctx context.Context, id, name string, ids IDs, progress ProgressFunc) (err error) {
	path, err := s.MountRootfs(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.UnmountRootfs(id)) }()
	fault.Point("layer: shifting")
	return shift(ctx, path, name, ids, progress)
}

// shift is shiftRootfs on a directory.
func shift(ctx context.Context, path, name string, ids IDs, progress ProgressFunc) error {
	sh := shifter{ctx: ctx, ids: ids, progress: progress, name: name, linked: map[inode]owner{}}
	sh.tell(EventShift)
	if err := sh.entry(unix.AT_FDCWD, path, 0); err != nil {
		return fmt.Errorf("give the files of %s to the container's ids: %w", name, err)
	}
	sh.tell(EventShiftDone)
	return nil
}

// inode is a file with several names, which is met as often; owner whom it was given to then. Overlay makes files
// of their own of the names, one by one, with the number that they had together.
type (
	inode struct{ dev, ino uint64 }
	owner struct{ uid, gid uint32 }
)

// shifter walks a tree that nobody else changes. Links are never followed all the same.
type shifter struct {
	ctx      context.Context
	ids      IDs
	progress ProgressFunc
	name     string
	files    int64
	linked   map[inode]owner
}

// shiftEvery is how many files lie between two events and looks at the context.
const shiftEvery = 256

// maxShiftDepth bounds directories in directories: each level holds a descriptor.
const maxShiftDepth = 900

func (s *shifter) tell(kind EventKind) {
	s.progress.send(Event{Kind: kind, Name: s.name, Offset: s.files})
}

func (s *shifter) entry(parent int, name string, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if s.files++; s.files%shiftEvery == 0 {
		s.tell(EventShift)
		if err := s.ctx.Err(); err != nil {
			return err
		}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := s.dir(parent, name, depth); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	to := s.ownerOf(&st)
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		key := inode{uint64(st.Dev), st.Ino}
		if given, met := s.linked[key]; met && given == (owner{st.Uid, st.Gid}) {
			return nil
		}
		if _, met := s.linked[key]; !met {
			s.linked[key] = to
		}
	}
	return s.chown(parent, name, &st, to)
}

// ownerOf is what a file's owner becomes.
func (s *shifter) ownerOf(st *unix.Stat_t) owner {
	return owner{s.ids.UIDs.Owner(st.Uid), s.ids.GIDs.Owner(st.Gid)}
}

func (s *shifter) dir(parent int, name string, depth int) error {
	if depth > maxShiftDepth {
		return fmt.Errorf("more than %d directories deep", maxShiftDepth)
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer func() { _ = dir.Close() }()
	// All names first: what is copied up while a directory is read may be listed again.
	names, err := dir.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, n := range names {
		if err := s.entry(fd, n, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// chown changes an owner, and puts back what the kernel takes away with it: the bits for set-user-id and
// set-group-id, and file capabilities. Source: chown(2).
func (s *shifter) chown(parent int, name string, st *unix.Stat_t, to owner) error {
	if to == (owner{st.Uid, st.Gid}) {
		return nil
	}
	regular := st.Mode&unix.S_IFMT == unix.S_IFREG
	var caps []byte
	file := fmt.Sprintf("/proc/self/fd/%d/%s", parent, name)
	if parent == unix.AT_FDCWD {
		file = name
	}
	if regular && st.Mode&0o111 != 0 {
		buf := make([]byte, 64)
		if n, err := unix.Lgetxattr(file, "security.capability", buf); err == nil {
			caps = buf[:n]
		}
	}
	if err := unix.Fchownat(parent, name, int(to.uid), int(to.gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if errors.Is(err, syscall.EINVAL) {
			err = fmt.Errorf("owner %d:%d: %w", to.uid, to.gid, err)
		}
		return &os.PathError{Op: "chown", Path: name, Err: err}
	}
	if regular && st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
		if err := unix.Fchmodat(parent, name, st.Mode&0o7777, 0); err != nil {
			return &os.PathError{Op: "chmod", Path: name, Err: err}
		}
	}
	if caps != nil {
		if err := unix.Lsetxattr(file, "security.capability", caps, 0); err != nil {
			return &os.PathError{Op: "set capabilities of " + strconv.Quote(name), Path: name, Err: err}
		}
	}
	return nil
}
