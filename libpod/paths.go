package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.podman.io/storage/types"

	"github.com/manager-project/manager/pkg/conf"
	"github.com/manager-project/manager/pkg/errdefs"
)

// paths are where a Runtime keeps its things.
//
//	graphRoot/                      the shared image store (containers/storage)
//	graphRoot/manager/              static: state.db, events.log, removed.log, labels.lock
//	graphRoot/manager/containers/ID lock, ctr.log, ends.log
//	graphRoot/manager/programs/     manager-full, when none is installed
//	graphRoot/volumes/NAME/_data    named volumes
//	runRoot/                        the store's run directory
//	tmp/                            ours: gone after a reboot, or stale
//	tmp/programs/                   manager-monitor, when none is installed
//	tmp/containers/ID/              monitor's files, hosts, resolv.conf, …
//	tmp/rootless-netns/             the network that a user's commands share, with its lock rootless-netns.lock
type paths struct {
	graphRoot, runRoot, static, tmp, volumes, programs string
}

func newPaths(o *Options, c *conf.File) (paths, error) {
	var p paths
	store, err := types.DefaultStoreOptions()
	if err != nil {
		return p, fmt.Errorf("storage.conf: %w", err)
	}
	p.graphRoot, p.runRoot = store.GraphRoot, store.RunRoot
	if o.Root != "" {
		p.graphRoot = o.Root
	}
	if o.RunRoot != "" {
		p.runRoot = o.RunRoot
	}
	files := []*string{&p.graphRoot, &p.runRoot, &o.TmpDir, &o.VolumePath}
	for i := range o.CDISpecDirs {
		files = append(files, &o.CDISpecDirs[i])
	}
	for _, path := range files {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return p, err
		}
	}
	p.static = filepath.Join(p.graphRoot, "manager")
	p.tmp = first(o.TmpDir, filepath.Join(p.runRoot, "manager"))
	p.volumes = first(o.VolumePath, stringOf(c.Engine.VolumePath), filepath.Join(p.graphRoot, "volumes"))
	p.programs = filepath.Join(p.tmp, "programs")
	return p, nil
}

func stringOf(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// make makes the directories that only this user may enter. The volumes' directory is
// passable, since their owners inside containers are others.
func (p *paths) make() error {
	for _, d := range []struct {
		path string
		mode os.FileMode
	}{
		{p.graphRoot, 0o700},
		{filepath.Join(p.static, "containers"), 0o700},
		{filepath.Join(p.tmp, "containers"), 0o700},
	} {
		if err := os.MkdirAll(d.path, d.mode); err != nil {
			return &errdefs.Error{
				Kind: "directory", Name: d.path, Class: errdefs.ErrUnavailable, Cause: err,
				Hint: "check its permissions, or name another with --root, --runroot or --tmpdir",
			}
		}
	}
	// The store's own directory is shared, and may have been opened to others on purpose.
	return errors.Join(shut(p.static), shut(filepath.Join(p.tmp, "containers")))
}

// shut closes a directory that was there already, made by somebody with other habits.
func shut(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()&^0o077)
}

func (p *paths) staticDir(id string) string { return filepath.Join(p.static, "containers", id) }
func (p *paths) runDir(id string) string    { return filepath.Join(p.tmp, "containers", id) }
func (p *paths) sharedNetwork() string      { return filepath.Join(p.tmp, "rootless-netns") }
func (p *paths) lockFile(id string) string  { return filepath.Join(p.staticDir(id), "lock") }
