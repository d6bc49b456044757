package external

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/undo"
)

// attachTrees mounts the request's trees in the bundle, each at a name that nobody else can exchange, and makes these
// the sources: a runtime would look a path in a volume up again, which a container that shares the volume could lead
// elsewhere meanwhile. What is mounted below the run directory is taken back with the container's other mounts.
func attachTrees(q *oci.LaunchRequest) (err error) {
	if len(q.Trees) == 0 {
		return nil
	}
	var back undo.Stack
	defer func() {
		if err != nil {
			err = errors.Join(err, back.Run())
		}
	}()
	dir := filepath.Join(q.Bundle, "trees")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	s := *q.Spec
	s.Mounts = slices.Clone(s.Mounts)
	for i, destination := range slices.Sorted(maps.Keys(q.Trees)) {
		place := filepath.Join(dir, strconv.Itoa(i))
		at := slices.IndexFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == destination })
		if at < 0 {
			return fmt.Errorf("mount %s: it is not in the specification", destination)
		}
		if err := attach(q.Trees[destination], place); err != nil {
			return fmt.Errorf("mount %s: %w", destination, err)
		}
		back.Add(func() error { return unix.Unmount(place, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) })
		s.Mounts[at].Source = place
	}
	q.Spec = &s
	return nil
}

// attach mounts a detached tree, which may be a file, at a path that it makes.
func attach(tree *os.File, place string) error {
	st, err := tree.Stat()
	if err != nil {
		return err
	}
	if st.IsDir() {
		err = os.Mkdir(place, 0o700)
	} else {
		err = os.WriteFile(place, nil, 0o600)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := unix.MoveMount(int(tree.Fd()), "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "mount", Path: place, Err: err}
	}
	return nil
}
