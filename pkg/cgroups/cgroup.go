package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/undo"
	"golang.org/x/sys/unix"
)

// Cgroup is one container's cgroup in every hierarchy. Its methods may be used concurrently.
type Cgroup struct {
	path     string
	layout   *Layout
	unified  string            // its directory in the version 2 tree, or ""
	v1       map[string]string // its directories by controller
	v1Dirs   []string          // the same without repetition
	rootless bool
	unit     *unit // the systemd scope, or nil
}

// Create makes the cgroup, which may exist already if nothing is in it, and sets its limits.
// Resources that cannot mean anything are ErrInvalid; a limit whose controller the host does not
// have is ErrUnsupported and names the controller; a cgroup with processes, or a frozen one, is
// ErrInUse. After an error nothing that was made here is left.
func Create(cfg Config) (*Cgroup, error) {
	if err := Validate(cfg.Resources); err != nil {
		return nil, err
	}
	if cfg.Systemd {
		return createScope(cfg)
	}
	c, err := locate(cfg.Path)
	if err != nil {
		return nil, err
	}
	return c.create(cfg)
}

// create makes the directories of a cgroup that has been located.
func (c *Cgroup) create(cfg Config) (_ *Cgroup, err error) {
	c.rootless = cfg.Rootless
	var steps undo.Stack
	defer func() {
		if err != nil {
			err = errors.Join(err, steps.Run())
		}
	}()
	if c.layout.Mode() == Disabled {
		if limited(cfg.Resources) {
			return nil, errdefs.Unsupported("resource limits", "no cgroup file system is mounted at "+root)
		}
		return c, nil
	}
	var made []string
	steps.Add(func() error { return removeEmpty(made) })
	var only map[string]bool
	if len(c.layout.V1) > 0 {
		only = needed(cfg.Resources) // a controller that is passed down can no longer be mounted as version 1
	}
	err = c.makeAll(only, &made)
	for tries := 0; errors.Is(err, os.ErrNotExist) && tries < 100; tries++ {
		err = c.makeAll(only, &made) // somebody's RemoveEmpty took the parent away under us
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	if len(made) < len(c.dirs()) && !cfg.Reuse {
		if err := c.unused(); err != nil {
			return nil, err
		}
	}
	if err := c.fillCpuset(made); err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	if err := c.set(cfg.Resources); err != nil {
		return nil, err
	}
	if cfg.Owner != nil {
		if err := c.Delegate(*cfg.Owner); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// unused refuses a cgroup that has processes or is frozen.
func (c *Cgroup) unused() error {
	pids, err := c.PIDs()
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	if len(pids) > 0 {
		return errdefs.New(errdefs.ErrInUse, "cgroup", c.path, "container's cgroup is not empty: %d process(es) found", len(pids)).
			WithHint("end its processes, or choose another path")
	}
	if frozen, err := c.Frozen(); err == nil && frozen {
		return errdefs.New(errdefs.ErrInUse, "cgroup", c.path, "container's cgroup unexpectedly frozen").
			WithHint("thaw it, or choose another path")
	}
	return nil
}

// Load finds an existing cgroup of the directories' manager. ErrNotFound when no hierarchy has it.
func Load(p string) (*Cgroup, error) { return LoadConfig(Config{Path: p}) }

// LoadConfig finds an existing cgroup by its Path and with the manager of cfg; the rest of cfg, but
// Rootless, is not looked at. ErrNotFound when no hierarchy has it.
func LoadConfig(cfg Config) (*Cgroup, error) {
	c, err := locate(cfg.Path)
	if err != nil {
		return nil, err
	}
	c.rootless = cfg.Rootless
	if cfg.Systemd {
		c.unit = &unit{name: path.Base(c.path), user: cfg.UserBus}
	}
	if !c.exists() {
		return nil, errdefs.NotFound("cgroup", c.path)
	}
	return c, nil
}

// locate works out the directories without touching them.
func locate(p string) (*Cgroup, error) {
	if strings.IndexByte(p, 0) >= 0 || p == "" {
		return nil, errdefs.Invalid("cgroup path", p, "is empty or has a NUL byte")
	}
	clean := path.Clean("/" + p)
	if clean == "/" {
		return nil, errdefs.Invalid("cgroup path", p, "is the root of the hierarchy")
	}
	l, err := ReadLayout()
	if err != nil {
		return nil, err
	}
	return locateIn(l, clean), nil
}

// locateIn is locate with a clean path and a known layout.
func locateIn(l *Layout, clean string) *Cgroup {
	c := &Cgroup{path: clean, layout: l, v1: map[string]string{}}
	if l.Unified != "" {
		c.unified = filepath.Join(l.Unified, clean)
	}
	for _, h := range l.V1 {
		dir := filepath.Join(h.Dir, clean)
		c.v1Dirs = append(c.v1Dirs, dir)
		for _, name := range h.Controllers {
			c.v1[name] = dir
		}
	}
	return c
}

// Path is the cgroup's path below the hierarchies' roots.
func (c *Cgroup) Path() string { return c.path }

// Systemd says that the cgroup is a scope of the service manager.
func (c *Cgroup) Systemd() bool { return c.unit != nil }

// dirs are all its directories.
func (c *Cgroup) dirs() []string {
	if c.unified == "" {
		return c.v1Dirs
	}
	return append([]string{c.unified}, c.v1Dirs...)
}

// dirOf is the directory with a controller's files: version 1 where it has the controller.
func (c *Cgroup) dirOf(controller string) string {
	if dir, ok := c.v1[controller]; ok {
		return dir
	}
	return c.unified
}

// versionOf says by which interface a controller is reached.
func (c *Cgroup) versionOf(controller string) version {
	if _, ok := c.v1[controller]; ok {
		return v1
	}
	if c.unified != "" {
		return v2
	}
	return absent
}

// exists says whether a hierarchy has it.
func (c *Cgroup) exists() bool { return slices.ContainsFunc(c.dirs(), exists) }

func removeEmpty(dirs []string) error {
	for _, d := range dirs {
		if err := unix.Rmdir(d); err != nil && err != unix.ENOENT {
			return fmt.Errorf("remove %s: %w", d, err)
		}
	}
	return nil
}

// MemoryEvents is the file that counts out-of-memory kills: memory.events on version 2,
// memory.oom_control on version 1, "" without a memory controller.
func (c *Cgroup) MemoryEvents() string {
	if dir, ok := c.v1["memory"]; ok {
		return filepath.Join(dir, "memory.oom_control")
	}
	if c.unified != "" {
		file := filepath.Join(c.unified, "memory.events")
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}
