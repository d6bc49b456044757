package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/libpod/volume"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/idmap"
	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
)

// volumeSource mounts a volume, fills an empty one from the image and gives it to the user.
func (s *start) volumeSource(ctx context.Context, m *spec.Mount) (string, error) {
	v, err := s.rt.state.Volume(ctx, m.Source)
	if err != nil {
		return "", err
	}
	o, err := volume.ParseOptions(v.Options)
	if err != nil {
		return "", err
	}
	if err := s.mountVolume(ctx, v, o); err != nil {
		return "", err
	}
	if !v.NeedsCopyUp || m.NoCopy || o.Mounted() || m.Subpath != "" {
		return v.Path, nil
	}
	root, err := os.OpenFile(s.facts.RootfsPath, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	copied, err := volume.CopyUp(root, m.Destination, v.Path)
	if err != nil {
		return "", err
	}
	if err := labelVolumeTree(v.Path); err != nil {
		return "", err
	}
	v.NeedsCopyUp = false
	if copied {
		v.NeedsChown = false // it has the owner that the image gave it
	}
	return v.Path, s.rt.state.SetVolume(ctx, *v)
}

// mountVolume mounts a volume that has a file system of its own, once.
func (s *start) mountVolume(ctx context.Context, v *state.Volume, o volume.Options) error {
	if !o.Mounted() {
		return nil
	}
	mounted, err := mountinfo.Mounted(v.Path)
	if err != nil || mounted {
		return err
	}
	o.Label = selinux.SharedFiles()
	return volume.Mount(v.Path, o)
}

// chownVolumes gives volumes to the container's user: all with the option U, and new empty
// ones that nobody has used yet.
func (s *start) chownVolumes() error {
	ctx := context.Background()
	for i := range s.cfg.Mounts {
		m := &s.cfg.Mounts[i]
		source := first(s.facts.MountSources[m.Destination], m.Source)
		if m.Chown && (m.Kind == spec.MountBind || m.Kind == spec.MountVolume) {
			if err := s.chown(m.Destination, source); err != nil {
				return fmt.Errorf("give %s to the container's user: %w", source, err)
			}
		}
		if m.Kind != spec.MountVolume {
			continue
		}
		v, err := s.rt.state.Volume(ctx, m.Source)
		if err != nil {
			return err
		}
		if !v.NeedsChown {
			continue
		}
		uid, gid := s.ownerIn(m)
		if err := volume.Chown(v.Path, uid, gid); err != nil {
			return err
		}
		v.NeedsChown, v.UID, v.GID = false, uid, gid
		if err := s.rt.state.SetVolume(ctx, *v); err != nil {
			return err
		}
	}
	return nil
}

// ownerIn is what the container's user is called in a volume: with the option idmap what its owner will be taken
// for, without it what the user is outside.
func (s *start) ownerIn(m *spec.Mount) (uid, gid int) {
	uid, gid = s.hostIDs(s.user.UID, s.user.GID)
	uids, gids, err := m.IDMap.Of(&s.cfg.UserNS)
	if err != nil || len(uids) == 0 {
		return uid, gid
	}
	u, ok1 := idmap.Map(uids).ToInside(uint32(uid))
	g, ok2 := idmap.Map(gids).ToInside(uint32(gid))
	if !ok1 || !ok2 {
		return uid, gid
	}
	return int(u), int(g)
}

// chown gives the source of a mount to the container's user.
func (s *start) chown(destination, source string) error {
	uid, gid := s.hostIDs(s.user.UID, s.user.GID)
	tree := s.trees[destination]
	if tree == nil {
		if err := volume.CheckChown(source); err != nil {
			return err
		}
		return volume.ChownTree(source, uid, gid)
	}
	path := fmt.Sprintf("/proc/self/fd/%d", tree.Fd())
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return volume.ChownTree(path+"/.", uid, gid)
	}
	return os.Chown(path, uid, gid)
}

// releaseVolume unmounts a volume that has a file system of its own once no other running
// container uses it.
func (c *locked) releaseVolume(ctx context.Context, m *spec.Mount) error {
	v, err := c.rt.state.Volume(ctx, m.Source)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if o, err := volume.ParseOptions(v.Options); err != nil || !o.Mounted() {
		return err
	}
	users, err := c.rt.state.VolumeUsers(ctx, v.Name)
	if err != nil {
		return err
	}
	for _, id := range users {
		if id == c.row.ID {
			continue
		}
		if row, err := c.rt.state.Container(ctx, id); err == nil && row.State.Mounted {
			return nil
		}
	}
	return volume.Unmount(filepath.Clean(v.Path))
}
