package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
func (c *Cgroup) PIDs() ([]int, error) {
	dir := c.processDir()
	if dir == "" {
		return nil, nil
	}
	var pids []int
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(p, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP) {
			return nil
		}
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return err
	})
	return pids, err
}

// KillAll sends SIGKILL to every process of the cgroup and its sub-cgroups: by cgroup.kill (Linux 5.14)
// in the version 2 tree, else one by one until none is left that was not told.
func (c *Cgroup) KillAll() error {
	if c.unified != "" {
		err := os.WriteFile(filepath.Join(c.unified, "cgroup.kill"), []byte("1"), 0)
		if err == nil {
			return nil
		}
	}
	const rounds = 20
	self := os.Getpid()
	for range rounds {
		pids, err := c.PIDs()
		if err != nil {
			return err
		}
		told := 0
		for _, pid := range pids {
			if pid != self && unix.Kill(pid, syscall.SIGKILL) == nil {
				told++
			}
		}
		if told == 0 {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// Freeze stops every process of the cgroup and returns when all of them stand still.
func (c *Cgroup) Freeze() error { return c.setFrozen(true) }

// Thaw lets them go on.
func (c *Cgroup) Thaw() error { return c.setFrozen(false) }

// Frozen says whether the cgroup is frozen or about to be.
func (c *Cgroup) Frozen() (bool, error) {
	file, frozen, err := c.freezer()
	if err != nil {
		return false, err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return false, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	s := strings.TrimSpace(string(b))
	return s == frozen || s == "FREEZING", nil
}

// freezer is the file that freezes and its word for frozen. The version 2 one is preferred: what it
// froze can still be killed.
func (c *Cgroup) freezer() (file, frozen string, err error) {
	if c.unified != "" {
		file := filepath.Join(c.unified, "cgroup.freeze")
		if _, err := os.Stat(file); err == nil {
			return file, "1", nil
		}
	}
	if dir, ok := c.v1["freezer"]; ok {
		return filepath.Join(dir, "freezer.state"), "FROZEN", nil
	}
	return "", "", errdefs.Unsupported("pause", "the cgroup controller %q is not available here", "freezer")
}

func (c *Cgroup) setFrozen(freeze bool) error {
	file, word, err := c.freezer()
	if err != nil {
		return err
	}
	v1 := word == "FROZEN"
	if !freeze {
		word = "0"
		if v1 {
			word = "THAWED"
		}
	}
	const limit = 5 * time.Second
	deadline := time.Now().Add(limit)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		// Version 1 can get stuck while a process is being forked; writing again helps.
		if err := os.WriteFile(file, []byte(word), 0); err != nil {
			return fmt.Errorf("cgroup %s: %w", c.path, err)
		}
		done, err := settled(file, word, v1)
		if err != nil || done {
			return err
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(pause)
	}
	if freeze {
		_ = c.setFrozen(false)
	}
	return errdefs.New(errdefs.ErrUnavailable, "cgroup", c.path, "did not freeze within %s", limit)
}

// settled says whether the kernel has done what was written.
func settled(file, word string, v1 bool) (bool, error) {
	if v1 {
		b, err := os.ReadFile(file)
		return strings.TrimSpace(string(b)) == word, err
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cgroup.events"))
	return strings.Contains(string(b), "frozen "+word), err
}

// Remove removes the cgroup and its sub-cgroups from every hierarchy; one that is gone is no error.
// Processes must have ended; what they leave is waited for a moment. ErrInUse if it stays.
func (c *Cgroup) Remove() error {
	var errs []error
	for _, dir := range c.dirs() {
		if err := removeDir(dir); err != nil {
			errs = append(errs, &errdefs.Error{Op: "remove", Kind: "cgroup", Name: c.path, Class: errdefs.ErrInUse, Cause: err})
		}
	}
	return errors.Join(errs...)
}

// RemoveEmpty removes a cgroup that has neither processes nor sub-cgroups from every hierarchy.
// One in use stays, one that is gone is no error: nothing is reported, and nothing waited for.
func RemoveEmpty(p string) {
	c, err := locate(p)
	if err != nil {
		return
	}
	for _, dir := range c.dirs() {
		if err := unix.Rmdir(dir); err == unix.EBUSY {
			return // in use in one is in use in all, but for those who come and go this moment
		}
	}
}

func removeDir(dir string) error {
	const limit = 2 * time.Second
	deadline := time.Now().Add(limit)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Rmdir(dir)
		switch {
		case err == nil || err == unix.ENOENT:
			return nil
		case err != unix.EBUSY && err != unix.ENOTEMPTY:
			return &os.PathError{Op: "rmdir", Path: dir, Err: err}
		case time.Now().After(deadline):
			return &os.PathError{Op: "rmdir", Path: dir, Err: err}
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				_ = unix.Rmdir(filepath.Join(dir, e.Name()))
				if sub := filepath.Join(dir, e.Name()); exists(sub) {
					_ = removeDir(sub)
				}
			}
		}
		time.Sleep(pause)
	}
}

func exists(p string) bool {
	_, err := os.Lstat(p)
	return err == nil
}
