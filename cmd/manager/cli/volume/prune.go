package volume

import (
	"context"
	"errors"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
)

// pruner is what prune needs of the core.
type pruner interface {
	VolumePrune(ctx context.Context, filters []string, all, dryRun bool) ([]libpod.PruneReport, error)
}

// Prune is `manager volume prune`.
func Prune() *command.Command {
	var filters []string
	var all, dryRun, force bool
	return &command.Command{
		Use:   "prune [options]",
		Short: "Remove volumes that no container uses",
		Long:  "Removes the volumes without a name of their own that no container uses, with --all every volume that none uses.",
		Examples: `# See what would go
manager volume prune --all --dry-run`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "all", Short: "a", To: &all, Usage: "Remove named volumes too"},
				{Name: "dry-run", To: &dryRun, Usage: "Print what would be removed, and remove nothing"},
				{Name: "filter", To: &filters, Usage: "Take the volumes that match KEY=VALUE"},
				{Name: "force", Short: "f", To: &force, Usage: "Do not ask"},
			}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			if !force && !dryRun {
				what := "all volumes without a name of their own"
				if all {
					what = "all volumes"
				}
				yes, err := app.Confirm("WARNING! This will remove " + what + " not used by at least one container.")
				if err != nil || !yes {
					return err
				}
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			reports, err := rt.VolumePrune(ctx, filters, all, dryRun)
			return printPruned(app, reports, err)
		},
	}
}

func printPruned(app *command.App, reports []libpod.PruneReport, err error) error {
	errs := []error{err}
	for _, r := range reports {
		if r.Err != nil {
			errs = append(errs, r.Err)
			continue
		}
		app.Println(r.ID)
	}
	return errors.Join(errs...)
}

var _ pruner = (*libpod.Runtime)(nil)
