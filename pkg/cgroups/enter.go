package cgroups

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Descriptors are what a process needs to be born in a cgroup: see launch.Request.
type Descriptors struct {
	// Dir is the version 2 directory, or nil.
	Dir *os.File
	// Tasks are the version 1 tasks files, opened for writing.
	Tasks []*os.File
}

// Close closes all of them.
func (d *Descriptors) Close() {
	if d.Dir != nil {
		_ = d.Dir.Close()
	}
	for _, f := range d.Tasks {
		_ = f.Close()
	}
	d.Dir, d.Tasks = nil, nil
}

// Open opens the cgroup for launching a process into it. The caller closes the descriptors.
func (c *Cgroup) Open() (*Descriptors, error) {
	d := &Descriptors{}
	if c.unified != "" {
		f, err := os.OpenFile(c.unified, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
		}
		d.Dir = f
	}
	for _, dir := range c.v1Dirs {
		f, err := os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
		}
		d.Tasks = append(d.Tasks, f)
	}
	return d, nil
}
