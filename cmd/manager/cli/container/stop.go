package container

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
)

// stopper is what stop needs of the core.
type stopper interface {
	selector
	Stop(ctx context.Context, id string, o libpod.StopOptions) (libpod.StopReport, error)
}

func timeFlag(to **int) flags.Flag {
	return flags.Flag{Name: "time", Aliases: []string{"timeout"}, Short: "t", To: to, Default: "10", Usage: "Seconds to wait before killing; -1 waits for ever"}
}

// Stop is `manager stop`.
func Stop() *command.Command {
	var s libpod.Selection
	var timeout *int
	return &command.Command{
		Use:   "stop [options] CONTAINER [CONTAINER...]",
		Short: "Stop containers",
		Long:  "Sends each container its stop signal, waits, and kills it when the time is over. Containers are stopped side by side; a container that does not run is left as it is.",
		Examples: `# Stop one container
manager stop web
# Give all containers two seconds
manager stop --all -t 2`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&s, "a", "Stop all running containers"), cidfileFlag(&s), filterFlag(&s, "f"),
				{Name: "ignore", Short: "i", To: &s.Ignore, Usage: "Pass over names that do not exist"},
				latestFlag(&s), timeFlag(&timeout),
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
			return stop(ctx, app, rt, s, command.Seconds(timeout))
		},
	}
}

func stop(ctx context.Context, app *command.App, core stopper, s libpod.Selection, timeout *uint) error {
	if s.All {
		s.Statuses = []define.Status{define.StatusRunning, define.StatusPaused, define.StatusStopping, define.StatusRestarting}
	}
	return eachParallel(ctx, app, core, s, func(id, shown string) error {
		report, err := core.Stop(ctx, id, libpod.StopOptions{Timeout: timeout})
		noteKill(app, shown, report, timeout)
		return err
	})
}

// noteKill says why a container was killed instead of being left to end. With a timeout of
// 0 the user asked for just that.
func noteKill(app *command.App, shown string, report libpod.StopReport, timeout *uint) {
	switch {
	case !report.Killed:
	case report.Deaf:
		app.Note(shown + ": killed at once: " + report.Reason)
	case timeout == nil || *timeout > 0:
		app.Note(shown + ": killed: " + report.Reason)
	}
}
