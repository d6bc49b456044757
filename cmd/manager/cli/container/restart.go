package container

import (
	"context"
	"errors"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

// restarter is what restart needs of the core.
type restarter interface {
	selector
	Restart(ctx context.Context, id string, o libpod.StopOptions) (libpod.StopReport, error)
}

// Restart is `manager restart`.
func Restart() *command.Command {
	var s libpod.Selection
	var running bool
	var timeout *int
	return &command.Command{
		Use:   "restart [options] CONTAINER [CONTAINER...]",
		Short: "Stop containers and start them again",
		Long:  "Stops containers that run, and starts them and those that did not run.",
		Examples: `# Restart all that run
manager restart --running`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&s, "a", "Restart all containers"), cidfileFlag(&s), filterFlag(&s, "f"), latestFlag(&s),
				{Name: "running", To: &running, Usage: "Restart all containers that run"},
				timeFlag(&timeout),
			}
		},
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if running {
				if len(args) > 0 {
					return &errdefs.Error{Op: "--running", Class: errdefs.ErrInvalid, Cause: errors.New("takes no container names")}
				}
				s.All, s.Statuses = true, []define.Status{define.StatusRunning, define.StatusRestarting}
			}
			if err := chosen(&s, args); err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return restart(ctx, app, rt, s, libpod.StopOptions{Timeout: command.Seconds(timeout)})
		},
	}
}

func restart(ctx context.Context, app *command.App, core restarter, s libpod.Selection, o libpod.StopOptions) error {
	return eachParallel(ctx, app, core, s, func(id, shown string) error {
		report, err := core.Restart(ctx, id, o)
		noteKill(app, shown, report, o.Timeout)
		return err
	})
}
