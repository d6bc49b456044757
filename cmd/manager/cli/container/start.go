package container

import (
	"context"
	"errors"
	"fmt"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/terminal"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

// starter is what start needs of the core.
type starter interface {
	selector
	inspector
	Start(ctx context.Context, id string, o libpod.StartOptions) (libpod.AttachResult, error)
}

// inspector reads one container.
type inspector interface {
	Inspect(ctx context.Context, id string) (libpod.Record, error)
}

type startOptions struct {
	selection           libpod.Selection
	attach, interactive bool
	sigProxy            *bool
	detachKeys          *string
}

// Start is `manager start`.
func Start() *command.Command {
	var o startOptions
	return &command.Command{
		Use:   "start [options] CONTAINER [CONTAINER...]",
		Short: "Start containers",
		Long:  "Starts containers that were made before or have ended. A container that runs already is left as it is. With --attach the exit code is the program's.",
		Examples: `# Start in the background
manager start web
# Start and stay with its terminal
manager start --attach --interactive shell`,
		Flags: func() []flags.Flag {
			s := &o.selection
			return []flags.Flag{
				allFlag(s, "", "Start all containers that do not run"),
				{Name: "attach", Short: "a", To: &o.attach, Usage: "Attach to the container's output"},
				detachKeysFlag(&o.detachKeys, ""), filterFlag(s, "f"),
				{Name: "interactive", Short: "i", To: &o.interactive, Usage: "Attach to the container's input"},
				latestFlag(s),
				{Name: "sig-proxy", To: &o.sigProxy, Default: "true if attaching, false otherwise", Usage: "Pass signals on to the process"},
			}
		},
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if err := chosen(&o.selection, args); err != nil {
				return err
			}
			if o.attach && (len(args) > 1 || o.selection.All) {
				return &errdefs.Error{Op: "--attach", Class: errdefs.ErrInvalid, Cause: errors.New("takes one container only")}
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return start(ctx, app, rt, o)
		},
	}
}

func start(ctx context.Context, app *command.App, core starter, o startOptions) error {
	if o.attach || o.interactive {
		return startAttached(ctx, app, core, o)
	}
	if o.selection.All {
		o.selection.Statuses = []define.Status{define.StatusCreated, define.StatusExited}
	}
	return each(ctx, app, core, o.selection, func(id string) error {
		_, err := core.Start(ctx, id, libpod.StartOptions{Warn: warner(app)})
		return err
	})
}

func startAttached(ctx context.Context, app *command.App, core starter, o startOptions) error {
	ids, err := core.Select(ctx, o.selection)
	switch {
	case err != nil:
		return err
	case len(ids) == 0:
		return &errdefs.Error{Op: "--filter", Class: errdefs.ErrNotFound, Cause: errors.New("no container matches")}
	case len(ids) > 1:
		return &errdefs.Error{Op: "--attach", Class: errdefs.ErrInvalid, Cause: fmt.Errorf("takes one container only, and %d match", len(ids))}
	}
	id := ids[0]
	record, err := core.Inspect(ctx, id)
	if err != nil {
		return err
	}
	tty := record.Config.Process.Terminal
	c := terminal.Config{Out: app.Out, Err: app.Err, TTY: tty, DetachKeys: detachKeys(o.detachKeys)}
	c.SigProxy = !tty && (o.sigProxy == nil || *o.sigProxy)
	if o.interactive && record.Config.Process.Stdin {
		c.In = app.In
	}
	session, err := terminal.Open(c)
	if err != nil {
		return err
	}
	defer session.Close()
	result, err := core.Start(ctx, id, libpod.StartOptions{Streams: &session.Streams, Warn: warner(app)})
	return attachEnd(result, err)
}

// attachEnd turns how an attachment ended into the command's end.
func attachEnd(result libpod.AttachResult, err error) error {
	if err != nil || result.Detached || result.ExitCode == 0 {
		return err
	}
	return command.ExitCode(result.ExitCode)
}
