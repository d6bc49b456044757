package cgroups

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// makeAll makes the directories and adds to made those that were not there. A hierarchy that is mounted read-only,
// or that belongs to another user, is left out when rootless. only is as in makeUnified.
func (c *Cgroup) makeAll(only map[string]bool, made *[]string) error {
	if c.unified != "" {
		if err := makeUnified(c.layout.Unified, c.path, only, made); err != nil {
			if !c.forgivable(err) {
				return err
			}
			c.unified = ""
		}
	}
	var kept []string
	for _, dir := range c.v1Dirs {
		err := makeDir(dir, made)
		if errors.Is(err, os.ErrNotExist) {
			if err = os.MkdirAll(filepath.Dir(dir), 0o755); err == nil {
				err = makeDir(dir, made)
			}
		}
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
	return nil
}

// makeDir makes a directory, and adds it to made if it was not there.
func makeDir(dir string, made *[]string) error {
	switch err := unix.Mkdir(dir, 0o755); err {
	case nil:
		*made = append(*made, dir)
		return nil
	case unix.EEXIST:
		return nil
	default:
		return &os.PathError{Op: "mkdir", Path: dir, Err: err}
	}
}

func (c *Cgroup) forgivable(err error) bool {
	return c.rootless && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS))
}

// makeUnified makes a version 2 cgroup and passes controllers down to it: those in only, or every
// available one if that is nil.
// A level with processes of its own cannot pass any; whether that matters shows when limits are set.
// What is above a cgroup that systemd has delegated is systemd's, and left as it is.
func makeUnified(top, p string, only map[string]bool, made *[]string) error {
	dir, names := top, strings.Split(strings.TrimPrefix(p, "/"), "/")
	first := 0
	for i := range names[:len(names)-1] {
		if marked(filepath.Join(top, filepath.Join(names[:i+1]...))) {
			first = i + 1
		}
	}
	for i, name := range names {
		if i >= first {
			enableControllers(dir, only)
		}
		dir = filepath.Join(dir, name)
		last := made
		if i < len(names)-1 {
			last = new([]string) // what others may use meanwhile stays
		}
		if err := makeDir(dir, last); err != nil {
			return err
		}
	}
	return nil
}

func enableControllers(dir string, only map[string]bool) {
	if only != nil && len(only) == 0 {
		return
	}
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
		if !have[n] && (only == nil || only[n]) {
			_ = os.WriteFile(file, []byte("+"+n), 0) // one by one: one that fails does not stop the others
		}
	}
}

// fillCpuset fills the version 1 cpuset, which is born with no processors and takes no process then.
func (c *Cgroup) fillCpuset(made []string) error {
	if dir, ok := c.v1["cpuset"]; ok {
		return inheritCpuset(dir, slices.Contains(made, dir))
	}
	return nil
}

// inheritCpuset fills the cpuset of a version 1 cgroup, and of its ancestors if need be. One that was just made has nothing yet.
func inheritCpuset(dir string, fresh bool) error {
	parent := filepath.Dir(dir)
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		file, above := filepath.Join(dir, name), filepath.Join(parent, name)
		if !fresh {
			own, err := readBounded(file, maxControlFile)
			if err != nil {
				return err
			}
			if strings.TrimSpace(own) != "" {
				continue
			}
		}
		theirs, err := readBounded(above, maxControlFile)
		if err != nil {
			return err
		}
		if strings.TrimSpace(theirs) == "" {
			if err := inheritCpuset(parent, false); err != nil {
				return err
			}
			if theirs, err = readBounded(above, maxControlFile); err != nil {
				return err
			}
		}
		if err := writeFile(file, theirs); err != nil {
			return err
		}
	}
	return nil
}
