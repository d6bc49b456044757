package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/fsroot"
	"github.com/manager-project/manager/pkg/idmap"
	"github.com/manager-project/manager/pkg/lookup"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// mapRootfs shows the directory of --rootfs with other owners, below the run directory.
func (s *start) mapRootfs(dir string) error {
	fail := func(err error) error {
		return &errdefs.Error{Op: "--rootfs", Name: dir + ":idmap", Class: errdefs.ErrUnsupported, Cause: err, Hint: first(idmap.MapHint(err), "leave idmap out")}
	}
	uids, gids, err := s.cfg.Rootfs.IDMap.Of(&s.cfg.UserNS)
	if err != nil {
		return fail(err)
	}
	ns, err := idmap.NewNamespace(uids, gids)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = ns.Close() }()
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fail(err)
	}
	tree := os.NewFile(uintptr(fd), dir)
	defer func() { _ = tree.Close() }()
	if err := idmap.MapTree(tree, ns, false); err != nil {
		return fail(err)
	}
	s.facts.RootfsPath = filepath.Join(s.rt.paths.runDir(s.row.ID), "rootfs")
	if err := mkdir(s.facts.RootfsPath); err != nil {
		return err
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, s.facts.RootfsPath, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}

// hostIDs are the outer ids of ids in the container.
func (c *container) hostIDs(uid, gid uint32) (int, int) { return c.cfg.UserNS.HostIDs(uid, gid) }

// giveToRoot gives a file of ours to the container's root, which shall be able to change it.
func (s *start) giveToRoot(path string) error {
	if !s.cfg.UserNS.Own() {
		return nil
	}
	uid, gid := s.hostIDs(0, 0)
	if err := os.Lchown(path, uid, gid); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// giveRootDir gives the root directory to the container's root: the storage library makes it the engine's at every
// mount, where it does not map ids.
func (s *start) giveRootDir() error {
	if !s.cfg.UserNS.Shifts() {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(s.facts.RootfsPath, &st); err != nil {
		return &os.PathError{Op: "stat", Path: s.facts.RootfsPath, Err: err}
	}
	if st.Uid != 0 {
		return nil
	}
	return s.giveToRoot(s.facts.RootfsPath)
}

// letIn lets other users pass through the directories that lead to what an external runtime opens as the container's
// root. The built-in runtime opens it before. What is in the directories keeps its own permissions, and those that
// are not ours are left alone.
func (s *start) letIn(ctx context.Context) error {
	if !s.cfg.UserNS.Own() || s.cfg.Runtime.Path == "" {
		return nil
	}
	rt, err := s.runtime()
	if err != nil || rt.Check(ctx, oci.ClosedRoots) == nil {
		return err
	}
	p, uid := &s.rt.paths, uint32(0)
	if root, _ := s.hostIDs(0, 0); root >= 0 {
		uid = uint32(root)
	}
	for _, way := range []struct{ from, to string }{{p.graphRoot, s.facts.RootfsPath}, {p.tmp, p.runDir(s.row.ID)}, {p.volumes, p.volumes}} {
		for dir := way.to; dir != "/"; dir = filepath.Dir(dir) {
			var st unix.Stat_t
			if err := unix.Stat(dir, &st); err != nil || st.Uid == uid || st.Mode&0o001 != 0 || dir == s.facts.RootfsPath {
				continue
			}
			if dir != way.from && !strings.HasPrefix(dir, way.from+"/") {
				return errdefs.Unsupported("--runtime", "%s looks for files as the container's root, and the directory %s is closed to it", runtimeName(s.cfg), dir).
					WithHint("let others pass with \"chmod o+x %s\", or leave --runtime out", dir)
			}
			if err := os.Chmod(dir, os.FileMode(st.Mode&0o777|0o001)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameCaller tells a user who keeps his id inside by his name and home on the host, where the image has no line for
// the id. The home counts if the container has that directory, by its image or by a mount; else it is the working
// directory. Source: podman-run(1), --userns=keep-id.
func (s *start) nameCaller(u *lookup.User) {
	if !s.cfg.UserNS.KeepID {
		return
	}
	uid, _ := s.hostIDs(u.UID, u.GID)
	if uid != 0 || u.Name != "" {
		return // another user, or one that the image knows
	}
	u.Home = s.cfg.Process.Workdir
	known, err := user.LookupId(strconv.Itoa(rootless.UID()))
	if err != nil {
		return
	}
	u.Name = known.Username
	if _, gid := s.hostIDs(u.UID, u.GID); gid == 0 && u.GroupName == "" {
		if g, err := user.LookupGroupId(strconv.Itoa(rootless.GID())); err == nil {
			u.GroupName = g.Name
		}
	}
	if s.hasDir(known.HomeDir) {
		u.Home = known.HomeDir
	}
}

// hasDir says that a mount or the root filesystem has a directory.
func (s *start) hasDir(dir string) bool {
	if !filepath.IsAbs(dir) {
		return false
	}
	if slices.ContainsFunc(s.cfg.Mounts, func(m spec.Mount) bool { return m.Destination == filepath.Clean(dir) }) {
		return true
	}
	root, err := fsroot.Open(s.facts.RootfsPath)
	if err != nil {
		return false
	}
	defer func() { _ = root.Close() }()
	f, err := root.OpenPath(dir, unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// fitUser makes sure that the container's user namespace has the ids of a user. One who is a number without an entry
// has group 0, and where there is none the smallest.
func (c *container) fitUser(u *lookup.User, word string) error {
	ns := &c.cfg.UserNS
	if !ns.Own() {
		return nil
	}
	if _, ok := ns.GIDs.ToOutside(u.GID); !ok && u.Name == "" && u.GID == 0 && !strings.Contains(word, ":") {
		for i, gid := range u.Additional {
			if gid == 0 {
				u.Additional[i] = ns.GIDs.Least()
			}
		}
		u.GID = ns.GIDs.Least()
	}
	missing := func(kind string, id uint32, m idmap.Map) error {
		return errdefs.Invalid("--user", word, "the %s %d is not in the container's user namespace, which maps %s", kind, id, m).
			WithHint("name a user and group that are (--user UID:GID), or map more ids")
	}
	if _, ok := ns.UIDs.ToOutside(u.UID); !ok {
		return missing("user", u.UID, ns.UIDs)
	}
	for _, gid := range append([]uint32{u.GID}, u.Additional...) {
		if _, ok := ns.GIDs.ToOutside(gid); !ok {
			return missing("group", gid, ns.GIDs)
		}
	}
	return nil
}
