package system

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/pkg/catch"
)

// inSharedNetwork runs a program in the network that such commands of the user share, and waits for it.
func inSharedNetwork(ctx context.Context, app *command.App, args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return cannotRun(args[0], err)
	}
	c := child{cmd: &exec.Cmd{Path: path, Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}}
	ctx, c.giveUp = context.WithCancel(ctx)
	defer c.giveUp()
	release, err := c.catch()
	if err != nil {
		return err
	}
	defer release()
	rt, err := app.Runtime(ctx)
	if err != nil {
		return err
	}
	n, err := rt.JoinSharedNetwork(ctx)
	if err == nil {
		err = n.Run(c.run)
		if err := n.Leave(context.WithoutCancel(ctx)); err != nil {
			app.Warn("end the shared network: %v", err)
		}
	}
	return c.ended(err)
}

// child is the program, and who passes on to it the signals that come for this one.
type child struct {
	cmd *exec.Cmd
	// giveUp ends what is done before there is a process.
	giveUp func()

	mu      sync.Mutex
	process *os.Process
	// early is the first signal that came before, or 0.
	early syscall.Signal
}

// catch begins to pass on what people and sessions send, but for what this process ignores: the program is to ignore it, too. Those of the
// terminal for jobs do to this process what they do to the program.
func (c *child) catch() (release func(), err error) {
	caught, err := catch.Only(slices.DeleteFunc([]syscall.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
	}, func(s syscall.Signal) bool { return signal.Ignored(s) })...)
	if err != nil {
		return nil, err
	}
	release = func() { _ = caught.Close() }
	ch := make(chan os.Signal, 8)
	if err := caught.To(ch); err != nil {
		release()
		return nil, err
	}
	go func() {
		for s := range ch {
			c.pass(s.(syscall.Signal))
		}
	}()
	return release, nil
}

func (c *child) pass(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.process == nil:
		if c.early == 0 {
			c.early = s
		}
		c.giveUp()
	case (s == unix.SIGINT || s == unix.SIGQUIT) && inForeground():
		// From the keyboard, which the program has as well.
	default:
		_ = c.process.Signal(s) // one that has ended takes none
	}
}

// inForeground says that what is typed at the terminal concerns this process's group.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer func() { _ = tty.Close() }()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// run starts the program from the calling thread, and waits. The program ends with this process, by whose lock it has the network.
func (c *child) run() error {
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	c.mu.Lock()
	if c.early != 0 {
		c.mu.Unlock()
		return context.Canceled
	}
	err := c.cmd.Start()
	c.process = c.cmd.Process
	c.mu.Unlock()
	if err != nil {
		return cannotRun(c.cmd.Args[0], err)
	}
	return c.cmd.Wait()
}

// ended makes an exit code of the program's end.
func (c *child) ended(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.early != 0 {
		return command.ExitCode(128 + int(c.early))
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return command.ExitCode(128 + int(status.Signal()))
	}
	return command.ExitCode(exit.ExitCode())
}
