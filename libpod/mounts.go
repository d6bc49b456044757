package libpod

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/spec"
)

// makeLayer makes the container's read-write layer.
func (c *locked) makeLayer(ctx context.Context, progress image.ProgressFunc) error {
	if c.cfg.Rootfs.Path != "" {
		info, err := os.Stat(c.cfg.Rootfs.Path)
		if err == nil && !info.IsDir() {
			err = unix.ENOTDIR
		}
		if err != nil {
			return &errdefs.Error{Op: "--rootfs", Name: c.cfg.Rootfs.Path, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a directory with a root filesystem"}
		}
		return nil
	}
	images, err := c.rt.Images(ctx)
	if err != nil {
		return err
	}
	return c.createRootfs(ctx, images, c.row.ID, c.cfg.Image.ID, image.RootfsOptions{
		Name: c.cfg.Name, ImageName: c.cfg.Image.Name, Volatile: c.cfg.Life.Remove, ProcessLabel: c.cfg.Security.ProcessLabel, MountLabel: c.cfg.Security.MountLabel,
	}, progress)
}

// createRootfs makes a layer whose files belong to the container's ids: shown so where the driver can, copied and
// given to them where it cannot.
func (c *container) createRootfs(ctx context.Context, images *image.Service, id, imageID string, o image.RootfsOptions, progress image.ProgressFunc) error {
	if !c.cfg.UserNS.Shifts() {
		return images.CreateRootfs(ctx, id, imageID, o)
	}
	ids := image.IDs{UIDs: c.cfg.UserNS.UIDs, GIDs: c.cfg.UserNS.GIDs}
	maps, err := images.CanMap(ids)
	if err != nil {
		return err
	}
	if maps {
		o.IDs = ids
		return images.CreateRootfs(ctx, id, imageID, o)
	}
	return images.CreateShiftedRootfs(ctx, id, imageID, ids, o, c.cfg.UserNS.Auto != nil, progress)
}

// mountRootfs mounts the layer, or prepares the directory of --rootfs.
func (s *start) mountRootfs(ctx context.Context) error {
	s.facts.MountSources = map[string]string{}
	if dir := s.cfg.Rootfs.Path; dir != "" {
		s.facts.RootfsPath = dir
		if s.cfg.Rootfs.Overlay {
			merged, err := s.overlay("rootfs", overlayDirs{lower: dir})
			s.facts.RootfsPath = merged
			return err
		}
		if s.cfg.Rootfs.IDMap != nil {
			return s.mapRootfs(dir)
		}
		return nil
	}
	images, err := s.rt.Images(ctx)
	if err != nil {
		return err
	}
	if s.facts.RootfsPath, err = images.MountRootfs(s.row.ID); err != nil {
		return err
	}
	return s.giveRootDir()
}

// mountVolumes prepares what Generate cannot know: where the sources of mounts are.
func (s *start) mountVolumes(ctx context.Context) error {
	for i := range s.cfg.Mounts {
		m := &s.cfg.Mounts[i]
		source, err := s.mountSource(ctx, i, m)
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Destination, err)
		}
		if source != "" {
			s.facts.MountSources[m.Destination] = source
		}
	}
	return nil
}

// mountSource returns the host path to bind at a mount's destination; "" where the runtime
// needs none.
func (s *start) mountSource(ctx context.Context, i int, m *spec.Mount) (string, error) {
	var (
		source string
		err    error
	)
	switch m.Kind {
	case spec.MountBind:
		if source = m.Source; !exists(source) {
			return "", &errdefs.Error{
				Op: "--volume", Name: source, Class: errdefs.ErrInvalid, Cause: errors.New("no such file or directory"),
				Hint: "make it first, or use a named volume",
			}
		}
	case spec.MountVolume:
		source, err = s.volumeSource(ctx, m)
	case spec.MountImage:
		source, err = s.imageSource(ctx, m)
	default:
		return "", nil
	}
	if err == nil {
		err = s.relabel(source, m)
	}
	if err != nil {
		return "", err
	}
	if m.Overlay {
		return s.overlay(fmt.Sprintf("mount%d", i), overlayDirs{lower: source, upper: m.OverlayUpper, work: m.OverlayWork})
	}
	if m.Subpath != "" {
		return s.subpath(source, m)
	}
	if m.Kind == spec.MountBind {
		return "", nil
	}
	return source, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// imageSource mounts an image as a throw-away layer of its own, so that giving it back needs no
// count of users: its id says whose it is.
func (s *start) imageSource(ctx context.Context, m *spec.Mount) (string, error) {
	images, err := s.rt.Images(ctx)
	if err != nil {
		return "", err
	}
	img, err := images.Resolve(ctx, m.Source)
	if err != nil {
		return "", err
	}
	id := derivedID(s.row.ID, m.Destination)
	if err := images.DeleteRootfs(id); err != nil {
		return "", err
	}
	if err := s.createRootfs(ctx, images, id, img.ID, image.RootfsOptions{
		Name: s.cfg.Name + m.Destination, ImageName: img.Name, Volatile: true, ProcessLabel: s.cfg.Security.ProcessLabel, MountLabel: s.cfg.Security.MountLabel,
	}, nil); err != nil {
		return "", err
	}
	return images.MountRootfs(id)
}

// derivedID is the id of a layer that belongs to a container's mount.
func derivedID(id, destination string) string {
	sum := sha256.Sum256([]byte(id + "\x00" + destination))
	return hex.EncodeToString(sum[:])
}

// subpath resolves a path inside a volume or image, where links cannot lead out of it, and opens
// what it finds as the tree to mount: others may change the volume at the same time, and the
// names on the way may lead elsewhere a moment later.
func (s *start) subpath(source string, m *spec.Mount) (string, error) {
	root, err := fsroot.Open(source)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	f, err := root.OpenPath(m.Subpath, 0)
	if err != nil {
		return "", &errdefs.Error{Op: "subpath", Name: m.Subpath, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a path that exists in the volume or image"}
	}
	defer func() { _ = f.Close() }()
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH | unix.AT_RECURSIVE)
	fd, err := unix.OpenTree(int(f.Fd()), "", flags)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", m.Subpath, err)
	}
	if s.trees == nil {
		s.trees = map[string]*os.File{}
	}
	s.trees[m.Destination] = os.NewFile(uintptr(fd), m.Subpath)
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}

// overlayDirs are the parts of an overlay; empty upper and work are made, and thrown away at the end.
type overlayDirs struct{ lower, upper, work, label string }

// overlay mounts a writable view over a directory, below the run directory.
func (s *start) overlay(name string, d overlayDirs) (string, error) {
	base := filepath.Join(s.rt.paths.staticDir(s.row.ID), "overlay", name)
	merged := filepath.Join(s.rt.paths.runDir(s.row.ID), "overlay", name)
	if d.upper == "" {
		if err := removeAll(base); err != nil {
			return "", err
		}
		d.upper, d.work = filepath.Join(base, "upper"), filepath.Join(base, "work")
		if err := errors.Join(mkdir(d.upper), mkdir(d.work)); err != nil {
			return "", err
		}
		if err := copyMode(d.lower, d.upper); err != nil {
			return "", err
		}
	}
	if err := mkdir(merged); err != nil {
		return "", err
	}
	d.label = s.cfg.Security.MountLabel
	if err := mountOverlay(d, merged); err != nil {
		return "", &errdefs.Error{Op: "overlay", Name: d.lower, Class: errdefs.ErrUnavailable, Cause: err, Hint: "leave the option O out, or use a directory on a file system that overlay supports"}
	}
	return merged, nil
}

// mountOverlay uses fsconfig(2), which takes paths with commas and colons as they are.
func mountOverlay(d overlayDirs, target string) error {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fs) }()
	options := [][2]string{{"source", "overlay"}, {"lowerdir", escapeLower(d.lower)}, {"upperdir", d.upper}, {"workdir", d.work}}
	if d.label != "" {
		options = append(options, [2]string{"context", d.label})
	}
	for _, kv := range options {
		if err := unix.FsconfigSetString(fs, kv[0], kv[1]); err != nil {
			return fmt.Errorf("%s: %w", kv[0], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return err
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(mnt) }()
	return unix.MoveMount(mnt, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// escapeLower protects the character that separates lower directories.
// Source: kernel, Documentation/filesystems/overlayfs.rst.
func escapeLower(path string) string {
	var b []byte
	for i := range len(path) {
		if path[i] == ':' || path[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

// copyMode gives a directory the mode and owner of another.
func copyMode(from, to string) error {
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		return &os.PathError{Op: "stat", Path: from, Err: err}
	}
	if err := os.Chown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return os.Chmod(to, os.FileMode(st.Mode&0o777))
}

// unmountAll takes back every mount of a start; each may be gone already.
func (c *locked) unmountAll(ctx context.Context) error {
	var errs []error
	if c.mountsBelowRunDir() {
		errs = append(errs, unmountBelow(c.rt.paths.runDir(c.row.ID)))
		errs = append(errs, removeAll(filepath.Join(c.rt.paths.staticDir(c.row.ID), "overlay")))
	}
	for i := range c.cfg.Mounts {
		if m := &c.cfg.Mounts[i]; m.Kind == spec.MountVolume {
			errs = append(errs, c.releaseVolume(ctx, m))
		}
	}
	if c.needsStore() {
		images, err := c.rt.Images(ctx)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for i := range c.cfg.Mounts {
			if m := &c.cfg.Mounts[i]; m.Kind == spec.MountImage {
				errs = append(errs, images.DeleteRootfs(derivedID(c.row.ID, m.Destination)))
			}
		}
		if c.cfg.Rootfs.Path == "" && !c.layerGoes {
			if err := images.ReleaseRootfs(c.row.ID); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// mountsBelowRunDir reports whether a start mounts anything below the run directory.
func (c *container) mountsBelowRunDir() bool {
	for i := range c.cfg.Mounts {
		if m := &c.cfg.Mounts[i]; m.Overlay || m.Subpath != "" {
			return true
		}
	}
	return c.cfg.Rootfs.Overlay || c.cfg.Rootfs.IDMap != nil || c.cfg.Namespaces.IPC.Mode == spec.NSShareable
}

func (c *container) needsStore() bool {
	for i := range c.cfg.Mounts {
		if c.cfg.Mounts[i].Kind == spec.MountImage {
			return true
		}
	}
	return c.cfg.Rootfs.Path == ""
}

// unmountBelow unmounts everything mounted below a directory, the last mounted first.
func unmountBelow(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	var errs []error
	for i := len(mounts) - 1; i >= 0; i-- {
		err := unix.Unmount(mounts[i].Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", mounts[i].Mountpoint, err))
		}
	}
	return errors.Join(errs...)
}
