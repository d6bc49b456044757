package cgroups

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// processDir is the directory whose process list counts: version 2 where the container is in it.
func (c *Cgroup) processDir() string {
	if c.unified != "" {
		return c.unified
	}
	return c.processDirV1()
}

func (c *Cgroup) processDirV1() string {
	for _, name := range []string{"freezer", "pids", "devices", "memory", "cpu"} {
		if dir, ok := c.v1[name]; ok {
			return dir
		}
	}
	if len(c.v1Dirs) > 0 {
		return c.v1Dirs[0]
	}
	return ""
}

// PIDs are the processes in the cgroup and its sub-cgroups, in the caller's pid namespace.
// A cgroup that is gone has none.
func (c *Cgroup) PIDs() ([]int, error) { return pidsBelow(c.processDir()) }

func pidsBelow(dir string) ([]int, error) {
	var pids []int
	err := walkDirs(dir, func(p string) error {
		text, err := readControl(filepath.Join(p, "cgroup.procs"))
		switch {
		case gone(err), errors.Is(err, unix.EOPNOTSUPP): // a threaded cgroup's processes are listed at the top of its domain
			return nil
		case err != nil:
			return err
		}
		more, err := parsePIDs(text)
		if err != nil {
			return errdefs.New(errdefs.ErrCorrupt, "file", filepath.Join(p, "cgroup.procs"), "%w", err)
		}
		pids = append(pids, more...)
		return nil
	})
	return pids, err
}

// gone says that a cgroup went away while it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// maxDepth bounds how deep sub-cgroups are looked for; each level costs a directory of the kernel's,
// and cgroup.max.depth of a container is its user's to set.
const maxDepth = 256

// walkDirs calls f for a directory and all below it, parents first. "" and what is gone have none.
func walkDirs(dir string, f func(dir string) error) error { return walkBelow(dir, f, maxDepth) }

func walkBelow(dir string, f func(dir string) error, depth int) error {
	if dir == "" || depth == 0 {
		return nil
	}
	if err := f(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := walkBelow(filepath.Join(dir, e.Name()), f, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// KillAll sends SIGKILL to every process of the cgroup and its sub-cgroups, the caller's own excepted, frozen
// ones too: by cgroup.kill (Linux 5.14) in the version 2 tree, else while all of them are frozen, so that
// none can fork away, else one by one until none is left that was not told. What was frozen is
// thawed by it. It does not wait for their end.
func (c *Cgroup) KillAll() error {
	if c.unified != "" && writeFile(filepath.Join(c.unified, "cgroup.kill"), "1") == nil {
		if len(c.v1) == 0 {
			return nil
		}
		// What was moved out of the version 2 cgroup, or is frozen by version 1.
		_, err := c.killListed(c.processDirV1())
		return errors.Join(err, c.thawV1())
	}
	held := c.Freeze() == nil
	defer func() {
		if held {
			_ = c.Thaw()
		}
	}()
	const rounds = 20
	for range rounds {
		told, err := c.killListed(c.processDir())
		if err != nil {
			return err
		}
		if told == 0 || held {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return c.thawV1()
}

// killListed kills those that are listed and says how many it told.
func (c *Cgroup) killListed(dir string) (told int, err error) {
	pids, err := pidsBelow(dir)
	if err != nil {
		return 0, err
	}
	self := os.Getpid()
	for _, pid := range pids {
		if pid != self && unix.Kill(pid, syscall.SIGKILL) == nil {
			told++
		}
	}
	return told, nil
}

// thawV1 thaws the version 1 cgroup and those below it: a process frozen there does not die of SIGKILL.
func (c *Cgroup) thawV1() error {
	dir, ok := c.v1["freezer"]
	if !ok {
		return nil
	}
	return walkDirs(dir, func(p string) error {
		file := filepath.Join(p, "freezer.state")
		if s := readShort(file); s == "" || s == "THAWED" {
			return nil
		}
		if err := writeFile(file, "THAWED"); err != nil && !gone(err) {
			return err
		}
		return nil
	})
}
