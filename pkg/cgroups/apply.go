package cgroups

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// apply writes the settings in order. Those of one group follow each other, and one that the kernel refuses as
// invalid is written again once another of its group went through.
func (c *Cgroup) apply(list []setting) error {
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[0].group != "" && list[n].group == list[0].group {
			n++
		}
		if err := c.applyGroup(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (c *Cgroup) applyGroup(list []setting) error {
	todo := list
	for len(todo) > 0 {
		var refused []setting
		var first error
		for _, s := range todo {
			err := c.write(s)
			if err != nil && !errors.Is(err, unix.EINVAL) {
				return s.explain(err)
			}
			if err != nil {
				refused = append(refused, s)
				if first == nil {
					first = s.explain(err)
				}
			}
		}
		if len(refused) == len(todo) {
			return first
		}
		todo = refused
	}
	return nil
}

// write writes one setting.
func (c *Cgroup) write(s setting) error {
	dir := c.dirFor(s)
	if dir == "" {
		if s.ifExists {
			return nil
		}
		return os.ErrNotExist
	}
	err := writeFile(filepath.Join(dir, s.file), s.value)
	if s.ifExists && errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// dirFor is the directory of a setting's file; without a controller that is the version 2 one.
func (c *Cgroup) dirFor(s setting) string {
	if s.controller == "" {
		return c.unified
	}
	return c.dirOf(s.controller)
}

// explain names the field and the file.
func (s setting) explain(err error) error {
	cause := err
	var file *os.PathError
	if errors.As(err, &file) {
		cause = file.Err
	}
	e := errdefs.Invalid(s.field, s.value, "%s: %w", s.file, cause).WithHint("choose a value that this host allows")
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errdefs.Unsupported(s.field, "this kernel has no %s", s.file).WithHint("leave it out on this host")
	case errors.Is(err, unix.EBUSY):
		e.Class = errdefs.ErrInUse
		e.Hint = "choose a higher value, or end some of its processes first: more than this is in use"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.EROFS):
		e.Class = errdefs.ErrPermission
		e.Hint = "leave it out, or have the cgroup delegated"
	}
	return e
}
