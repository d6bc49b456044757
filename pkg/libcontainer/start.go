package libcontainer

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// Start lets the init become the user's program. Of several callers one succeeds. Errors: ErrState with
// the words of the table of statuses; *launch.Failure when the program cannot be executed.
func (c *Container) Start() error {
	if c.child != nil {
		return c.finishStart(c.release(c.child))
	}
	return c.change(verbStart, func(Status) error {
		child, err := c.adopt()
		if err != nil {
			return err
		}
		return errors.Join(c.finishStart(c.release(child)), child.Close())
	})
}

// adopt connects to the waiting init.
func (c *Container) adopt() (*launch.Child, error) {
	pidfd, err := c.record.open()
	if err != nil {
		return nil, allow(verbStart, c.ID(), Stopped)
	}
	fd, err := c.dir.dialStart()
	if err != nil {
		_ = pidfd.Close()
		if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
			// It is alive, but ending: an earlier starter went away before it had said "go".
			return nil, allow(verbStart, c.ID(), Stopped)
		}
		return nil, err
	}
	child := launch.Adopt(fd, c.record.PID, pidfd, c.record.Listener.to)
	// Before the word is given: a container without the name and with a live init is running.
	if err := c.dir.passed(); err != nil {
		return nil, errors.Join(err, child.Close())
	}
	return child, nil
}

// finishStart runs the hooks of a program that runs. A hook that fails here, or failed before the program,
// ends the container: it is removed then. Source: OCI runtime-spec, runtime.md, "Lifecycle".
func (c *Container) finishStart(err error) error {
	if err == nil {
		err = c.poststart()
	}
	if err != nil && isHook(err) {
		err = errors.Join(err, c.tearDown())
	}
	return err
}

func (c *Container) release(child *launch.Child) error {
	if err := fault.Check("start: release"); err != nil {
		return err
	}
	err := child.Exec()
	if err == nil {
		return nil
	}
	cg, none := c.cgroup()
	if none != nil {
		cg = nil
	}
	return shortage(cg, err)
}
