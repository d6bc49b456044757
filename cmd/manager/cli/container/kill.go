package container

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
)

// killer is what kill needs of the core.
type killer interface {
	selector
	Kill(ctx context.Context, id string, signal string) error
}

// Kill is `manager kill`.
func Kill() *command.Command {
	var s libpod.Selection
	signal := "KILL"
	return &command.Command{
		Use:   "kill [options] CONTAINER [CONTAINER...]",
		Short: "Send a signal to containers",
		Long:  "Sends a signal, SIGKILL unless another is named, to the first process of each container.",
		Examples: `# Ask a server to read its configuration again
manager kill --signal HUP web`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&s, "a", "Signal all running containers"), cidfileFlag(&s), latestFlag(&s),
				{Name: "signal", Short: "s", To: &signal, Complete: flags.CompleteSignals, Usage: "Signal by name or number"},
			}
		},
		Complete: flags.CompleteRunning,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if err := chosen(&s, args); err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return kill(ctx, app, rt, s, signal)
		},
	}
}

func kill(ctx context.Context, app *command.App, core killer, s libpod.Selection, signal string) error {
	if s.All {
		s.Statuses = []define.Status{define.StatusRunning, define.StatusPaused, define.StatusStopping, define.StatusRestarting}
	}
	return each(ctx, app, core, s, func(id string) error { return core.Kill(ctx, id, signal) })
}
