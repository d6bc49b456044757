// Package adopt runs a program that makes a process, leaves it behind and ends, as runc's create and
// detached exec do, and becomes that process's parent: who waits for a process knows how it ended.
//
//	this process                         the maker (RUNTIME create …)
//	Start: become a subreaper, fork  →   makes the process, writes its pid file, sends its terminal
//	Ready: wait for the maker        ←   ends; its child is ours now
//	       read the pid file, see that it names a child of ours, open a descriptor of it
//	       be a subreaper no more
//	Wait, Signal                         only ever that process: a child's pid is not reused
//
// Being a subreaper ends with Ready, so what the process itself orphans later goes where it would
// have gone without us. Nothing is started through a shell, and the maker inherits no descriptor but
// those named. The package imports nothing beyond golang.org/x/sys and two small packages of ours,
// since the monitor carries it.
package adopt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// Command is a program that makes a process.
type Command struct {
	// Argv is the absolute program and its arguments, Env its whole environment.
	Argv, Env []string
	// Stdio are its standard streams, which the process inherits; nil is /dev/null. With Console they do
	// not count. ExtraFiles become
	// descriptors 3, 4, …; none may be nil. The caller keeps them and may close them after Start.
	Stdio      [3]*os.File
	ExtraFiles []*os.File
	// PIDFile is the absolute file that the program writes the process's pid to; one that is there is
	// removed first. Log is the file of its --log, or "".
	PIDFile, Log string
	// Console is where the program sends a terminal; nil without one. It stays the caller's.
	Console *Console
	// Alone says that this process has no other children than But: what a failed command leaves behind is
	// then found and killed. A dead process of a container that nobody reaps keeps the container's init
	// from ending.
	Alone bool
	But   []int
}

// Error is how a runtime's command failed.
type Error struct {
	// Text is the last error of its log, else what it said on a stream of ours; "" when it said
	// nothing there.
	Text string
	// Code is its exit code, 128+n for signal n.
	Code int
}

// Error is the runtime's own text where there is one.
func (e *Error) Error() string {
	if e.Text != "" {
		return e.Text
	}
	if e.Code > 128 {
		return fmt.Sprintf("it was killed by signal %d", e.Code-128)
	}
	return fmt.Sprintf("it ended with %d and did not say why", e.Code)
}

// Child is a process on its way to be adopted, and afterwards. The order is Start, Ready, Wait;
// Signal at any time; Close at the end.
type Child struct {
	cmd    Command
	maker  maker
	offset int64 // of the log, at the start
	// said takes what the command says when its terminal leaves it no stream of ours; or nil.
	said *os.File

	mu    sync.Mutex // of pid and pidfd
	pid   int
	pidfd *os.File

	wait   sync.Mutex // of what follows; held while waiting
	reaped bool
	status launch.ExitStatus
	err    error
}

// Start begins the command. Ready must follow.
func Start(cmd Command) (*Child, error) {
	if err := os.Remove(cmd.PIDFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	c := &Child{cmd: cmd, offset: sizeOf(cmd.Log)}
	stdio := cmd.Stdio
	if cmd.Console != nil {
		var err error
		if c.said, err = memory(); err != nil {
			return nil, err
		}
		stdio = [3]*os.File{nil, c.said, c.said}
	}
	if err := subreaper.hold(); err != nil {
		return nil, fmt.Errorf("adopt the container's process: %w", err)
	}
	var err error
	// What is half made when this process dies must not be finished behind the back of whoever cleans up.
	if c.maker, err = begin(cmd.Argv, cmd.Env, stdio, cmd.ExtraFiles, unix.SIGKILL); err != nil {
		subreaper.release()
		c.closeSaid()
		return nil, err
	}
	return c, nil
}

// Ready waits until the command has ended and its process is ours. The terminal, if one was to
// come, is the caller's. When ctx ends first the command is killed. The error is an *Error when the
// command failed.
func (c *Child) Ready(ctx context.Context) (console *os.File, err error) {
	defer subreaper.release()
	defer c.closeSaid()
	stop := context.AfterFunc(ctx, c.maker.kill)
	code, werr := c.maker.wait()
	stop()
	defer c.maker.close()
	if err := ctx.Err(); err != nil {
		c.killOrphans()
		return nil, err
	}
	if werr != nil || code != 0 {
		c.killOrphans()
		if werr != nil {
			return nil, werr
		}
		return nil, failed(code, c.cmd.Log, c.offset, c.said)
	}
	if err := c.adopt(); err != nil {
		c.killOrphans()
		return nil, err
	}
	if c.cmd.Console != nil {
		if console, err = c.cmd.Console.Receive(); err != nil {
			_ = c.Signal(unix.SIGKILL)
			_, _ = c.Wait()
			c.killOrphans()
			return nil, err
		}
	}
	c.reapStrays()
	return console, nil
}

// adopt makes sure that the pid file names a child of ours.
func (c *Child) adopt() error {
	pid, err := readPID(c.cmd.PIDFile)
	if err != nil {
		return err
	}
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		return fmt.Errorf("the runtime's pid file names process %d, which it did not make: %w", pid, err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid, c.pidfd = pid, os.NewFile(uintptr(fd), "pidfd")
	return nil
}

// readPID reads a pid file: digits, and at most a newline.
func readPID(path string) (int, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return 0, errors.New("the runtime wrote no pid file")
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	var buf [32]byte
	n, _ := f.Read(buf[:])
	text := bytes.TrimSpace(buf[:n])
	pid, err := strconv.Atoi(string(text))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("the runtime's pid file says %q", text)
	}
	return pid, nil
}

// PID is the process's id; 0 before Ready.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// PIDFD is the process's descriptor, nil before Ready. The Child keeps ownership.
func (c *Child) PIDFD() *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pidfd
}

// StartTime is field 22 of /proc/PID/stat, clock ticks since boot.
func (c *Child) StartTime() (uint64, error) { return launch.StartTime(c.PID()) }

// Signal sends a signal to the process. The error is ESRCH after its end, and before Ready.
func (c *Child) Signal(sig syscall.Signal) error {
	f := c.PIDFD()
	if f == nil {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(int(f.Fd()), sig, nil, 0)
}

// Wait reaps the process and says how it ended. Later calls give the same answer. A process that
// never came to be has ended with nothing.
func (c *Child) Wait() (launch.ExitStatus, error) {
	c.wait.Lock()
	defer c.wait.Unlock()
	pid := c.PID()
	if c.reaped || pid == 0 {
		return c.status, c.err
	}
	c.status, c.err = launch.WaitFor(pid)
	c.reaped = true
	return c.status, c.err
}

func (c *Child) closeSaid() {
	if c.said != nil {
		_ = c.said.Close()
	}
}

// Close releases the descriptors; the process goes on.
func (c *Child) Close() error {
	if f := c.PIDFD(); f != nil {
		return f.Close()
	}
	return nil
}
