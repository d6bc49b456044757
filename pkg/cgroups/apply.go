package cgroups

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

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

// writeFile writes a control file, which must exist, with one call of write.
func writeFile(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for {
		_, err = f.WriteString(value)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// maxControlFile bounds what is read of one control file. The longest known, the process list of
// a cgroup with every pid the kernel can give (4 million), is far below it.
const maxControlFile = 64 << 20

// readControl reads a control file, whole. ErrCorrupt when it does not end.
func readControl(file string) (string, error) { return readBounded(file, maxControlFile) }

// readShort reads a short control file without its final newline; "" when it cannot be read.
func readShort(file string) string {
	s, err := readBounded(file, 4096)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(s, "\n")
}

func readBounded(file string, limit int64) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(b)) > limit {
		return "", errdefs.New(errdefs.ErrCorrupt, "file", file, "it is longer than %d bytes", limit)
	}
	return string(b), nil
}
