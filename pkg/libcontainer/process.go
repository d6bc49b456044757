package libcontainer

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// Process is a child of this process in a container: the init of a container made without Park, or
// what Exec started. Wait may run concurrently with the others.
type Process struct {
	child   *launch.Child
	console *os.File
	// Warnings are requests that the specification lets a runtime ignore, and that were.
	Warnings []string
}

// Process is the container's init, if it is this process's child; else nil. It shares the
// container's descriptors: closing one of the two is enough.
func (c *Container) Process() *Process {
	if c.child == nil {
		return nil
	}
	return &Process{child: c.child, console: c.console}
}

// PID is the process id in the caller's pid namespace.
func (p *Process) PID() int { return p.child.PID() }

// PIDFD is the process's descriptor, readable when it has ended. It stays the Process's.
func (p *Process) PIDFD() *os.File { return p.child.PIDFD() }

// Console is the pseudo-terminal's master, which the caller closes, or nil: then there is none, or it was sent away.
func (p *Process) Console() *os.File { return p.console }

// Signal sends a signal to the process; ESRCH after its end.
func (p *Process) Signal(sig unix.Signal) error { return p.child.Signal(sig) }

// Wait waits for the end and says how it was.
func (p *Process) Wait() (launch.ExitStatus, error) { return p.child.Wait() }

// Close releases the descriptors; the process goes on.
func (p *Process) Close() error {
	err := p.child.Close()
	if p.console != nil {
		if e := p.console.Close(); !errors.Is(e, os.ErrClosed) {
			err = errors.Join(err, e)
		}
		p.console = nil
	}
	return err
}
