package container

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
)

// processLister is what top needs of the core.
type processLister interface {
	selector
	Top(ctx context.Context, id string, args []string) ([][]string, error)
}

// Top is `manager top`.
func Top() *command.Command {
	var latest bool
	return &command.Command{
		Use:   "top [options] CONTAINER [FORMAT-DESCRIPTORS|ARGS...]",
		Short: "Show the processes of a container",
		Long:  "Lists the processes of a running container. Descriptors such as pid, user, comm, args, separated by blanks or commas, choose the columns.",
		Examples: `# The usual columns
manager top web
# Chosen columns
manager top web pid user args`,
		Flags: func() []flags.Flag {
			return []flags.Flag{{Name: "latest", Short: "l", To: &latest, Usage: "Take the container that was made last"}}
		},
		NoInterspersed: true,
		Args:           latestOr(&latest, 1, "a container name or id, or --latest"),
		Complete:       flags.CompleteRunning,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			name := ""
			if !latest {
				name, args = args[0], args[1:]
			}
			return top(ctx, app, rt, name, latest, args)
		},
	}
}

func top(ctx context.Context, app *command.App, core processLister, name string, latest bool, descriptors []string) error {
	id, err := one(ctx, core, name, latest)
	if err != nil {
		return err
	}
	rows, err := core.Top(ctx, id, descriptors)
	if err != nil {
		return err
	}
	return render.Table(app.Out, rows)
}
