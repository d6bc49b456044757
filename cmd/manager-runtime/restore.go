package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
)

type restoreOptions struct {
	imageFlags
	createOptions
	detach, noSubreaper, tcpClose bool
	lsmProfile, lsmMountContext   string
}

func restoreCommand() *command {
	o := &restoreOptions{}
	return &command{
		name: "restore", args: "ID", summary: "let a container go on from images, with CRIU", least: 1, most: 1, failure: exitOfProgram,
		about: `Makes the container of a bundle go on where checkpoint wrote it to images. In the foreground it passes
signals on, waits, removes the container, and exits with the program's status.`,
		flags: append(append(o.imageFlags.flags(), without(o.createOptions.flags(), "preserve-fds", "no-new-keyring")...),
			option{name: "detach", short: "d", to: &o.detach, usage: "return when the program runs"},
			option{name: "no-subreaper", to: &o.noSubreaper, usage: "do not adopt the container's orphans"},
			option{name: "tcp-close", to: &o.tcpClose, usage: "close the TCP connections of the images"},
			option{name: "lsm-profile", to: &o.lsmProfile, value: "TYPE:LABEL", usage: "label of the processes: apparmor:PROFILE or selinux:CONTEXT"},
			option{name: "lsm-mount-context", to: &o.lsmMountContext, value: "CONTEXT", usage: "SELinux context of the mounts"},
		),
		run: func(a *app, args []string) (int, error) { return o.run(a, args[0]) },
	}
}

// options checks what can be checked without the images.
func (o *restoreOptions) options() (out libcontainer.RestoreOptions, err error) {
	if out.ImageOptions, err = o.imageOptions(); err != nil {
		return out, err
	}
	if o.noPivot {
		return out, errdefs.Unsupported("restore --no-pivot", "CRIU always pivots to the root")
	}
	if o.lsmProfile != "" {
		kind, label, ok := strings.Cut(o.lsmProfile, ":")
		if !ok || label == "" || kind != "apparmor" && kind != "selinux" {
			return out, errdefs.Invalid("--lsm-profile", o.lsmProfile, "want apparmor:PROFILE or selinux:CONTEXT")
		}
	}
	out.TCPClose, out.LSMProfile, out.LSMMountContext = o.tcpClose, o.lsmProfile, o.lsmMountContext
	return out, nil
}

func (o *restoreOptions) run(a *app, id string) (code int, err error) {
	opts, err := o.options()
	if err != nil {
		return 0, err
	}
	cfg, err := o.configure(a)
	if err != nil {
		return 0, err
	}
	cfg.Notify = false // its socket was for the start
	if err := o.checkTerminal(terminal(cfg.Spec), o.detach); err != nil {
		return 0, err
	}
	if o.detach {
		a.leaveStderr()
	}
	if !o.detach && !o.noSubreaper {
		if err := becomeSubreaper(); err != nil {
			return 0, err
		}
	}
	signals, err := catchSignals()
	if err != nil {
		return 0, err
	}
	c, err := a.factory().Restore(context.Background(), id, cfg, opts)
	if err != nil {
		return 0, err
	}
	a.warn(c.Warnings)
	defer func() { err = errors.Join(err, c.Close()) }()
	if o.detach {
		return 0, nil
	}
	code, err = follow(c.Process(), signals)
	kept := len(c.Warnings)
	gone := c.Kill()
	a.warn(c.Warnings[kept:])
	if errors.Is(gone, errdefs.ErrNotFound) {
		gone = nil
	}
	return code, errors.Join(err, gone)
}

// without leaves options out of a table: descriptors and keyrings come from the images.
func without(flags []option, names ...string) []option {
	return slices.DeleteFunc(flags, func(f option) bool { return slices.Contains(names, f.name) })
}
