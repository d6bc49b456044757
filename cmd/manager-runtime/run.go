package main

import (
	"errors"
	"os"

	"github.com/manager-project/manager/pkg/catch"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
)

type runOptions struct {
	createOptions
	detach, keep, noSubreaper bool
}

func runCommand() *command {
	o := &runOptions{}
	return &command{
		name: "run", args: "ID", summary: "create and run a container", least: 1, most: 1, failure: exitOfProgram,
		about: `Makes a container and runs its program. In the foreground it passes signals on, waits, removes the
container, and exits with the program's status.`,
		flags: append(o.flags(),
			option{name: "detach", short: "d", to: &o.detach, usage: "return when the program runs"},
			option{name: "keep", to: &o.keep, usage: "leave the stopped container"},
			option{name: "no-subreaper", to: &o.noSubreaper, usage: "do not adopt the container's orphans"},
		),
		run: func(a *app, args []string) (int, error) { return o.run(a, args[0]) },
	}
}

func (o *runOptions) run(a *app, id string) (code int, err error) {
	cfg, err := o.configure(a)
	if err != nil {
		return 0, err
	}
	if o.keep && o.detach {
		return 0, errdefs.Invalid("--keep", "true", "a detached container is kept in any case")
	}
	if err := o.checkTerminal(terminal(cfg.Spec), o.detach); err != nil {
		return 0, err
	}
	if !o.detach {
		ownSize(cfg.Spec.Process)
	}
	if o.detach {
		a.leaveStderr()
	}
	if !o.detach && !o.noSubreaper {
		if err := becomeSubreaper(); err != nil {
			return 0, err
		}
	}
	var signals *catch.Signals
	if !o.detach {
		if signals, err = catchSignals(); err != nil {
			return 0, err
		}
	}
	notify := notifier{host: os.Getenv("NOTIFY_SOCKET")}
	c, err := o.create(a, id, cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := o.start(c, &notify); err != nil {
		return 0, errors.Join(err, o.remove(a, c), removeFile(cfg.PIDFile))
	}
	if o.detach {
		return 0, notify.untilReady(c)
	}
	if notify.host != "" {
		go notify.forward(c)
	}
	code, err = follow(c.Process(), signals)
	if o.keep {
		return code, err
	}
	return code, errors.Join(err, o.remove(a, c))
}

// remove removes the container; another command may have been faster.
func (o *runOptions) remove(a *app, c *libcontainer.Container) error {
	said := len(c.Warnings)
	err := c.Kill()
	a.warn(c.Warnings[said:])
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

func (o *runOptions) start(c *libcontainer.Container, notify *notifier) error {
	if err := notify.listen(c.NotifyPath()); err != nil {
		return err
	}
	return c.Start()
}

// removeFile removes a file that was made for a process which never ran.
func removeFile(path string) error {
	if path == "" {
		return nil
	}
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
