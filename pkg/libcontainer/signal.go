package libcontainer

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Signal sends a signal to the init, or with all to every process of the container. A SIGKILL reaches
// all in any case: by the end of the pid namespace, or one by one where that is shared, and a
// paused container is resumed to die. ErrState if the container is stopped, but with all.
func (c *Container) Signal(sig unix.Signal, all bool) error {
	status := c.Status()
	if all && status == Stopped {
		return nil
	}
	if err := allow(verbSignal, c.ID(), status); err != nil {
		return err
	}
	var err error
	if all || sig == unix.SIGKILL && !c.record.OwnPIDs {
		err = c.signalAll(sig)
	} else {
		err = c.record.signal(sig)
	}
	if errors.Is(err, unix.ESRCH) {
		return allow(verbSignal, c.ID(), Stopped)
	}
	if err == nil && sig == unix.SIGKILL && status == Paused {
		err = c.thaw()
	}
	return err
}

// signalAll sends a signal to every process of the cgroup, and to an init that somebody has moved out of it. Pids are pinned first and told only if
// they are still there afterwards, so none that was used again is hit.
func (c *Container) signalAll(sig unix.Signal) error {
	cg, err := c.cgroup()
	if err != nil {
		return c.record.signal(sig)
	}
	pids, err := cg.PIDs()
	if err != nil {
		return err
	}
	pinned := map[int]*os.File{}
	defer func() {
		for _, f := range pinned {
			_ = f.Close()
		}
	}()
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			pinned[pid] = os.NewFile(uintptr(fd), "pidfd")
		}
	}
	if pids, err = cg.PIDs(); err != nil {
		return err
	}
	if c.astray(pids) {
		if e := c.record.signal(sig); !errors.Is(e, unix.ESRCH) {
			err = e
		}
	}
	for _, pid := range pids {
		if f := pinned[pid]; f != nil {
			if e := unix.PidfdSendSignal(int(f.Fd()), sig, nil, 0); e != nil && e != unix.ESRCH {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

// thaw resumes what is frozen; what has no cgroup or freezer cannot be frozen.
func (c *Container) thaw() error {
	cg, err := c.cgroup()
	if err != nil {
		//lint:ignore nilerr nothing to thaw
		return nil
	}
	if frozen, err := cg.Frozen(); err == nil && frozen {
		return cg.Thaw()
	}
	return nil
}
