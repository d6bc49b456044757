package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/undo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Config says what to create.
type Config struct {
	// Path is the cgroup's path below every hierarchy's root, like "/manager/ID".
	Path string
	// Resources are the limits of the OCI configuration, or nil.
	Resources *specs.LinuxResources
	// Rootless ignores that device rules cannot be set; a limit that cannot be set is an error still.
	Rootless bool
}

// Cgroup is one container's cgroup in every hierarchy. Its methods may be used concurrently.
type Cgroup struct {
	path     string
	layout   *Layout
	unified  string            // its directory in the version 2 tree, or ""
	v1       map[string]string // its directories by controller
	v1Dirs   []string          // the same without repetition
	rootless bool
}

// Create makes the cgroup, which may exist already, and sets its limits. A limit whose controller
// the host does not have is ErrUnsupported and names the controller. After an error nothing that
// was made here is left.
func Create(cfg Config) (_ *Cgroup, err error) {
	c, err := locate(cfg.Path)
	if err != nil {
		return nil, err
	}
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
	steps.Add(c.removeEmpty(c.absent()))
	err = c.makeAll()
	for tries := 0; errors.Is(err, os.ErrNotExist) && tries < 100; tries++ {
		err = c.makeAll() // somebody's RemoveEmpty took the parent away under us
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	if err := c.Set(cfg.Resources); err != nil {
		return nil, err
	}
	return c, nil
}

// Load finds an existing cgroup. ErrNotFound when no hierarchy has it.
func Load(p string) (*Cgroup, error) {
	c, err := locate(p)
	if err != nil {
		return nil, err
	}
	if len(c.absent()) == len(c.dirs()) {
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
	return c, nil
}

// Path is the cgroup's path below the hierarchies' roots.
func (c *Cgroup) Path() string { return c.path }

// dirs are all its directories.
func (c *Cgroup) dirs() []string {
	if c.unified == "" {
		return c.v1Dirs
	}
	return append([]string{c.unified}, c.v1Dirs...)
}

// absent are the directories that do not exist.
func (c *Cgroup) absent() []string {
	var out []string
	for _, d := range c.dirs() {
		if _, err := os.Stat(d); errors.Is(err, os.ErrNotExist) {
			out = append(out, d)
		}
	}
	return out
}

func (c *Cgroup) removeEmpty(dirs []string) func() error {
	return func() error {
		for _, d := range dirs {
			if err := unix.Rmdir(d); err != nil && err != unix.ENOENT {
				return fmt.Errorf("remove %s: %w", d, err)
			}
		}
		return nil
	}
}

// makeAll makes the directories. A hierarchy that is mounted read-only, or that belongs to another
// user, is left out when rootless.
func (c *Cgroup) makeAll() error {
	if c.unified != "" {
		if err := makeUnified(c.layout.Unified, c.path); err != nil {
			if !c.forgivable(err) {
				return err
			}
			c.unified = ""
		}
	}
	var kept []string
	for _, dir := range c.v1Dirs {
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			kept = append(kept, dir)
			continue
		}
		if !c.forgivable(err) {
			return err
		}
		for name, d := range c.v1 {
			if d == dir {
				delete(c.v1, name)
			}
		}
	}
	c.v1Dirs = kept
	if dir, ok := c.v1["cpuset"]; ok {
		return inheritCpuset(dir)
	}
	return nil
}

func (c *Cgroup) forgivable(err error) bool {
	return c.rootless && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS))
}

// makeUnified makes a version 2 cgroup and passes every available controller down to it. A level
// with processes of its own cannot pass any; whether that matters shows when limits are set.
func makeUnified(top, p string) error {
	dir := top
	for _, name := range strings.Split(strings.TrimPrefix(p, "/"), "/") {
		enableControllers(dir)
		dir = filepath.Join(dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

func enableControllers(dir string) {
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil || len(available) <= 1 {
		return
	}
	file := filepath.Join(dir, "cgroup.subtree_control")
	enabled, _ := os.ReadFile(file)
	have := map[string]bool{}
	for _, n := range strings.Fields(string(enabled)) {
		have[n] = true
	}
	for _, n := range strings.Fields(string(available)) {
		if !have[n] {
			_ = os.WriteFile(file, []byte("+"+n), 0) // one by one: one that fails does not stop the others
		}
	}
}

// inheritCpuset fills the cpuset of a version 1 cgroup and its ancestors, which are born with
// none and take no process then.
func inheritCpuset(dir string) error {
	parent := filepath.Dir(dir)
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(own)) != "" {
			continue
		}
		theirs, err := os.ReadFile(filepath.Join(parent, file))
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(theirs)) == "" {
			if err := inheritCpuset(parent); err != nil {
				return err
			}
			if theirs, err = os.ReadFile(filepath.Join(parent, file)); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, file), theirs, 0); err != nil {
			return err
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
