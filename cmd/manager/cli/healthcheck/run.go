package healthcheck

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
)

// checker is what run needs of the core.
type checker interface {
	Select(ctx context.Context, s libpod.Selection) ([]string, error)
	HealthCheck(ctx context.Context, id string) (libpod.HealthReport, error)
}

// Run is `manager healthcheck run`.
func Run() *command.Command {
	var ignore bool
	return &command.Command{
		Use:   "run [options] CONTAINER",
		Short: "Run the healthcheck of a container",
		Long: "Runs a container's healthcheck at once, beside its interval, and counts the result like any other. " +
			"Exit code 0: it succeeded; 1: it failed, and where the container stands is printed; 125: it could not be run, for example since the container does not run.",
		Examples: `# Ask whether a container works
manager healthcheck run web && echo fine`,
		Flags: func() []flags.Flag {
			return []flags.Flag{{Name: "ignore-result", To: &ignore, Usage: "End with exit code 0 also when the check failed"}}
		},
		Args:     command.Exactly(1, "one container name or id"),
		Complete: flags.CompleteRunning,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return run(ctx, app, rt, args[0], ignore)
		},
	}
}

func run(ctx context.Context, app *command.App, core checker, name string, ignore bool) error {
	ids, err := core.Select(ctx, libpod.Selection{Names: []string{name}})
	if err != nil {
		return err
	}
	report, err := core.HealthCheck(ctx, ids[0])
	if err != nil || !report.Failed {
		return err
	}
	app.Println(report.Status)
	if ignore {
		return nil
	}
	return command.ExitCode(1)
}
