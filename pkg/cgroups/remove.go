package cgroups

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// Remove removes the cgroup and its sub-cgroups from every hierarchy; one that is gone is no error.
// Processes must have ended; what they leave is waited for a moment. ErrInUse if it stays. A scope
// of systemd is stopped, and forgotten if it had failed.
func (c *Cgroup) Remove() error {
	var errs []error
	if err := c.unit.stop(); err != nil {
		errs = append(errs, err)
	}
	give := sync.OnceFunc(c.giveMemory)
	for _, dir := range c.dirs() {
		if err := removeBefore(dir, time.Now().Add(removeLimit), maxDepth, give); err != nil {
			errs = append(errs, &errdefs.Error{
				Op: "remove", Kind: "cgroup", Name: c.path, Class: errdefs.ErrInUse, Cause: err, Hint: "end its processes first",
			})
		}
	}
	return errors.Join(errs...)
}

// RemoveIdle removes a cgroup without processes and sub-cgroups, and says whether it is gone: one with any of
// them, or that is systemd's, is left to KillAll and Remove, though some of its hierarchies may be gone.
func (c *Cgroup) RemoveIdle() bool {
	if c.unit != nil {
		return false
	}
	for _, dir := range c.dirs() {
		if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
			return false
		}
	}
	return true
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

// removeLimit is how long processes that were killed may take to leave. A group of a thousand with
// gigabytes to free takes about a second.
const removeLimit = 2 * time.Second

// removePatience is how long the wait may be between two tries until those who are still there are given memory.
const removePatience = 10 * time.Millisecond

// giveMemory takes the limit away: what ends may need memory for that, and where there is none to be had the kernel searches for
// it, for seconds, before it lets the thread go on. Source: mm/memcontrol.c, "try_charge_memcg".
func (c *Cgroup) giveMemory() {
	dir := c.dirOf("memory")
	for _, f := range [][2]string{{"memory.memsw.limit_in_bytes", "-1"}, {"memory.limit_in_bytes", "-1"}, {"memory.high", "max"}, {"memory.max", "max"}} {
		_ = writeFile(filepath.Join(dir, f[0]), f[1]) // of the other version, or not there
	}
}

func removeDir(dir string) error {
	return removeBefore(dir, time.Now().Add(removeLimit), maxDepth, func() {})
}

// removeBefore tries until the deadline, and calls give when it takes long.
func removeBefore(dir string, deadline time.Time, depth int, give func()) error {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Rmdir(dir)
		switch {
		case err == nil || err == unix.ENOENT:
			return nil
		case err != unix.EBUSY && err != unix.ENOTEMPTY, time.Now().After(deadline), depth == 0:
			return &os.PathError{Op: "rmdir", Path: dir, Err: err}
		}
		if pause > removePatience {
			give()
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				_ = removeBefore(filepath.Join(dir, e.Name()), deadline, depth-1, give)
			}
		}
		time.Sleep(pause)
	}
}
