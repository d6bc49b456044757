package container

import (
	"context"
	"errors"
	"fmt"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
)

// pruner is what prune needs of the core.
type pruner interface {
	Prune(ctx context.Context, filters []string) ([]libpod.PruneReport, error)
}

// Prune is `manager container prune`.
func Prune() *command.Command {
	var filters []string
	var force bool
	return &command.Command{
		Use:   "prune [options]",
		Short: "Remove all containers that do not run",
		Examples: `# Without asking, those older than a day
manager container prune --force --filter until=24h`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "filter", To: &filters, Usage: "Take the containers that match KEY=VALUE: label, until"},
				{Name: "force", Short: "f", To: &force, Usage: "Do not ask"},
			}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			if !force {
				yes, err := app.Confirm("WARNING! This will remove all non running containers.")
				if err != nil || !yes {
					return err
				}
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return prune(ctx, app, rt, filters)
		},
	}
}

func prune(ctx context.Context, app *command.App, core pruner, filters []string) error {
	reports, err := core.Prune(ctx, filters)
	errs := []error{err}
	for _, r := range reports {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("remove container %s: %w", r.ID, r.Err))
			continue
		}
		app.Println(r.ID)
	}
	return errors.Join(errs...)
}
