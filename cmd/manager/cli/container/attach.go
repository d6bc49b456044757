package container

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/terminal"
	"github.com/manager-project/manager/libpod"
)

// attacher is what attach needs of the core.
type attacher interface {
	selector
	inspector
	Attach(ctx context.Context, id string, s libpod.Streams) (libpod.AttachResult, error)
}

type attachOptions struct {
	latest, noStdin bool
	sigProxy        bool
	detachKeys      *string
}

// Attach is `manager attach`.
func Attach() *command.Command {
	o := attachOptions{sigProxy: true}
	return &command.Command{
		Use:   "attach [options] CONTAINER",
		Short: "Connect to a running container",
		Long:  "Connects the caller's terminal or streams with those of a running container until it ends or the detach keys are typed. The exit code is the program's.",
		Examples: `# Connect, leave again with ctrl-p ctrl-q
manager attach shell`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				detachKeysFlag(&o.detachKeys, ""),
				{Name: "latest", Short: "l", To: &o.latest, Usage: "Take the container that was made last"},
				{Name: "no-stdin", To: &o.noStdin, Usage: "Do not attach input"},
				{Name: "sig-proxy", To: &o.sigProxy, Usage: "Pass signals on to the process"},
			}
		},
		Args:     func(args []string) error { return oneOrLatest(o.latest, args) },
		Complete: flags.CompleteRunning,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return attach(ctx, app, rt, firstOf(args), o)
		},
	}
}

func attach(ctx context.Context, app *command.App, core attacher, name string, o attachOptions) error {
	id, err := one(ctx, core, name, o.latest)
	if err != nil {
		return err
	}
	record, err := core.Inspect(ctx, id)
	if err != nil {
		return err
	}
	tty := record.Config.Process.Terminal
	c := terminal.Config{Out: app.Out, Err: app.Err, TTY: tty, SigProxy: o.sigProxy && !tty, DetachKeys: detachKeys(o.detachKeys)}
	if !o.noStdin && record.Config.Process.Stdin {
		c.In = app.In
	}
	session, err := terminal.Open(c)
	if err != nil {
		return err
	}
	defer session.Close()
	return attachEnd(core.Attach(ctx, id, session.Streams))
}

// oneOrLatest accepts one name, or none with --latest.
func oneOrLatest(latest bool, args []string) error {
	if latest {
		return command.NoArgs(args)
	}
	return command.Exactly(1, "one container name or id, or --latest")(args)
}

func firstOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
