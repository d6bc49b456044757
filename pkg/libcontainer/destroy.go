package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
)

// killPatience is how long killed processes may take to end.
const killPatience = 10 * time.Second

// Destroy removes what Create made, and nothing else. The container must be stopped, or created: its
// init is then killed. ErrState otherwise. It may be called again after a failure or a kill.
func (c *Container) Destroy() error {
	return c.change(verbDelete, func(Status) error { return c.tearDown() })
}

// Kill ends every process of the container, whatever its status, and removes it. It does not wait for
// a command that is at work on the container before the processes are dead.
func (c *Container) Kill() error {
	err := c.dir.lock(0)
	if errors.Is(err, errdefs.ErrUnavailable) {
		if err = c.killAll(); err == nil {
			err = c.dir.lock(lockPatience)
		}
	}
	if err != nil {
		return err
	}
	defer c.dir.unlock()
	if r, err := c.dir.readRecord(); err == nil {
		c.record = *r // a creation may have gone on meanwhile
	}
	return c.tearDown()
}

// tearDown needs the lock. The directory goes last: as long as it is there, it can be called again.
func (c *Container) tearDown() error {
	return c.factory.runSteps("delete", []step{
		{"kill", c.killRest},
		{"cgroup", c.removeCgroup},
		{"class of service", c.removeClass},
		{"hooks", func() error { c.poststop(); return nil }},
		{"directory", func() error { return removeState(c.dir.path) }},
	})
}

// killRest is killAll, in less where that is enough: the end of an init with pids of its own is everybody's, and a cgroup
// that nobody is in can go. It needs the lock.
func (c *Container) killRest() error {
	if pidfd := c.openInit(); pidfd != nil {
		ended := c.record.OwnPIDs && killed(pidfd)
		_ = pidfd.Close()
		if !ended {
			return c.killAll()
		}
	}
	if cg, err := c.cgroup(); err == nil && cg.RemoveIdle() {
		c.cgroupGone = true
		return nil
	}
	return c.killAll()
}

// killed kills a process and says whether it has ended within a moment. One that is frozen does not.
func killed(pidfd *os.File) bool {
	const moment = 20 // milliseconds
	if unix.PidfdSendSignal(int(pidfd.Fd()), unix.SIGKILL, nil, 0) != nil {
		return false
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}, moment)
	return err == nil && n > 0
}

// openInit opens the init, nil if it has ended.
func (c *Container) openInit() *os.File {
	if c.record.BootID != bootID() {
		return nil
	}
	pidfd, err := c.record.open()
	if err != nil {
		return nil
	}
	return pidfd
}

// warnAstray says what a container leaves whose processes somebody has moved out of its cgroup. The end of an init with
// pids of its own is theirs too, wherever they are.
func (c *Container) warnAstray() {
	if c.record.OwnPIDs {
		return
	}
	cg, err := c.cgroup()
	if err != nil {
		return
	}
	if pids, err := cg.PIDs(); err == nil && c.astray(pids) {
		c.Warnings = append(c.Warnings, fmt.Sprintf(
			"container %s: process %d was no longer in the cgroup %s: what else was moved out of that goes on", c.ID(), c.record.PID, cg.Path()))
	}
}

// killAll kills the init and all of the cgroup, and waits for the init's end.
func (c *Container) killAll() error {
	c.warnAstray()
	pidfd := c.openInit()
	if pidfd != nil {
		defer func() { _ = pidfd.Close() }()
		if err := unix.PidfdSendSignal(int(pidfd.Fd()), unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
			return err
		}
	}
	cg, err := c.cgroup()
	if err == nil {
		if err := errors.Join(cg.KillAll(), c.thaw()); err != nil {
			return err
		}
	} else if !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	if pidfd == nil {
		return nil
	}
	p := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	for deadline := time.Now().Add(killPatience); ; {
		n, err := unix.Poll(p, int(max(0, time.Until(deadline).Milliseconds())))
		switch {
		case n > 0:
			return nil
		case err != nil && err != unix.EINTR:
			return err
		case time.Now().After(deadline):
			return errdefs.New(errdefs.ErrUnavailable, "container", c.ID(), "process %d did not end within %s of being killed", c.record.PID, killPatience).
				WithHint("it may wait for a device or a file server; try again")
		}
	}
}

func (c *Container) removeCgroup() error {
	if c.cgroupGone {
		return nil
	}
	cg, err := c.cgroup()
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return cg.Remove()
}

// RemoveRemains removes what a creation left that was killed before it had written its record, or
// whose record is damaged. It does nothing to a container that can be loaded. Nothing there is no error.
func (f *Factory) RemoveRemains(id string) error {
	if err := ValidateID(id); err != nil {
		return err
	}
	d, err := openDir(f.dir(id))
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := d.lock(lockPatience); err != nil {
		if errors.Is(err, errdefs.ErrNotFound) {
			return nil
		}
		return err
	}
	if _, err := d.readRecord(); err == nil {
		return errdefs.New(errdefs.ErrState, "container", id, "is whole")
	}
	fault.Point("delete: remains")
	cgroups.RemoveEmpty("/" + id)
	return removeState(d.path)
}
