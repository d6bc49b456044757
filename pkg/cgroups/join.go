package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// Descriptors are what a process needs to be born in a cgroup: see launch.Request.
type Descriptors struct {
	// Dir is the version 2 directory, or nil.
	Dir *os.File
	// Tasks are the version 1 tasks files, opened for writing.
	Tasks []*os.File

	release func() // lets go of what keeps an empty scope alive
}

// Close closes all of them. The first process of a new systemd scope must be in it by then.
func (d *Descriptors) Close() {
	if d.Dir != nil {
		_ = d.Dir.Close()
	}
	for _, f := range d.Tasks {
		_ = f.Close()
	}
	if d.release != nil {
		d.release()
	}
	d.Dir, d.Tasks, d.release = nil, nil, nil
}

// Open opens the cgroup for launching a process into it. The caller closes the descriptors.
func (c *Cgroup) Open() (*Descriptors, error) {
	d, err := c.open(c.unified, c.v1Dirs)
	if err == nil {
		d.release = c.unit.release
	}
	return d, err
}

func (c *Cgroup) open(unified string, v1Dirs []string) (*Descriptors, error) {
	d := &Descriptors{}
	if unified != "" {
		f, err := openFile(unified, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
		}
		d.Dir = f
	}
	for _, dir := range v1Dirs {
		f, err := openFile(filepath.Join(dir, "tasks"), unix.O_WRONLY)
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
		}
		d.Tasks = append(d.Tasks, f)
	}
	return d, nil
}

// Sub makes a cgroup below this one, in every hierarchy, without limits of its own: version 2 controllers
// are not passed down, so that this one can still have processes. name may have several parts;
// ErrInvalid if it leads out. One that exists is no error.
func (c *Cgroup) Sub(name string) (*Cgroup, error) {
	clean, err := below(name)
	if err != nil {
		return nil, err
	}
	s := locateIn(c.layout, path.Join(c.path, clean))
	s.rootless = c.rootless
	if c.unified == "" {
		s.unified = ""
	}
	if err := errors.Join(s.makeAll(map[string]bool{}, new([]string)), s.fillCpuset(nil)); err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", s.path, err)
	}
	return s, nil
}

// below cleans a path below a cgroup, and refuses one that leads out of it.
func below(name string) (string, error) {
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", errdefs.Invalid("cgroup path", name, "it must not go up with ..")
		}
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", errdefs.Invalid("cgroup path", name, "it has a NUL byte")
	}
	return path.Clean("/" + name), nil
}

// OpenSub opens existing cgroups below this one for a process to be born in. Each place is a path
// below the container's cgroup, in all hierarchies, or "controller[,controller]:path" for those of
// version 1; a later one replaces an earlier one of the same hierarchy, and a hierarchy without
// any is entered at the container's own cgroup. ErrNotFound names the one that is not there.
func (c *Cgroup) OpenSub(places []string) (*Descriptors, error) {
	unified, dirs := c.unified, map[string]string{}
	for _, dir := range c.v1Dirs {
		dirs[dir] = dir
	}
	for _, place := range places {
		controllers, sub, named := strings.Cut(place, ":")
		if !named {
			controllers, sub = "", place
		}
		clean, err := below(sub)
		if err != nil {
			return nil, err
		}
		if !named {
			if unified != "" {
				unified = filepath.Join(c.unified, clean)
			}
			for dir := range dirs {
				dirs[dir] = filepath.Join(dir, clean)
			}
			continue
		}
		for _, name := range strings.Split(controllers, ",") {
			dir, ok := c.v1[strings.TrimPrefix(name, "name=")]
			if !ok {
				dir, ok = c.v1[name]
			}
			if !ok {
				return nil, errdefs.Invalid("cgroup", place, "there is no version 1 controller %q here", name)
			}
			dirs[dir] = filepath.Join(dir, clean)
		}
	}
	list := make([]string, 0, len(dirs))
	for _, dir := range c.v1Dirs {
		list = append(list, dirs[dir])
	}
	for _, dir := range append([]string{unified}, list...) {
		if dir != "" && !exists(dir) {
			return nil, errdefs.New(errdefs.ErrNotFound, "cgroup", dir, "no such cgroup").WithHint("make it first")
		}
	}
	return c.open(unified, list)
}

// OpenLike opens the cgroups that a process of the container is in now. A container may have moved its init
// into a sub-cgroup and passed controllers down; version 2 then takes no process at the top.
// ErrNotFound when the process is gone; ErrState when it is no longer below this cgroup.
func (c *Cgroup) OpenLike(pid int) (*Descriptors, error) {
	text, err := readBounded(fmt.Sprintf("/proc/%d/cgroup", pid), 1<<20)
	if err != nil {
		return nil, errdefs.New(errdefs.ErrNotFound, "process", fmt.Sprint(pid), "%w", err)
	}
	unified, dirs := c.unified, append([]string(nil), c.v1Dirs...)
	for hierarchy, at := range parseProcCgroup(text) {
		at = path.Clean("/" + at)
		for i, dir := range append([]string{c.unified}, c.v1Dirs...) {
			if dir == "" || (hierarchy == "") != (i == 0) || (i > 0 && c.v1[hierarchy] != dir) {
				continue
			}
			if at != c.path && !strings.HasPrefix(at, c.path+"/") {
				return nil, errdefs.New(errdefs.ErrState, "process", fmt.Sprint(pid), "it has left the cgroup %s", c.path)
			}
			at = filepath.Join(dir, strings.TrimPrefix(at, c.path))
			if i == 0 {
				unified = at
			} else {
				dirs[i-1] = at
			}
		}
	}
	return c.open(unified, dirs)
}

// parseProcCgroup reads /proc/PID/cgroup: the path by controller, "" for version 2.
// Source: cgroups(7), "/proc files".
func parseProcCgroup(s string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(s) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") {
			continue
		}
		for _, name := range strings.Split(f[1], ",") {
			out[name] = f[2]
		}
	}
	return out
}

func exists(p string) bool {
	var st unix.Stat_t
	return unix.Lstat(p, &st) == nil
}

// AddProcess moves a process, with all its threads, into the cgroup. Containers are born in theirs: this
// is for helpers that come from elsewhere. A scope of systemd needs no other process to hold it then.
func (c *Cgroup) AddProcess(pid int) error {
	for _, dir := range c.dirs() {
		if err := writeFile(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("cgroup %s: process %d: %w", c.path, pid, err)
		}
	}
	c.unit.release()
	return nil
}

// FreezerDir is the directory whose freezer holds the container, "" without one.
func (c *Cgroup) FreezerDir() string {
	if dir, ok := c.v1["freezer"]; ok {
		return dir
	}
	return c.unified
}

// ControllersV1 are the names of the version 1 controllers and hierarchies that it has a directory for, sorted.
func (c *Cgroup) ControllersV1() []string { return sortedKeys(c.v1) }
