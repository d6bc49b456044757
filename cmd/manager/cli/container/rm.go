package container

import (
	"context"
	"errors"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
)

// remover is what rm needs of the core.
type remover interface {
	selector
	Remove(ctx context.Context, id string, o libpod.RemoveOptions) ([]string, error)
	RemovalRounds(ctx context.Context, ids []string) (map[string]int, error)
}

// Rm is `manager rm`.
func Rm() *command.Command {
	var s libpod.Selection
	var o libpod.RemoveOptions
	var timeout *int
	return &command.Command{
		Use:   "rm [options] CONTAINER [CONTAINER...]",
		Short: "Remove containers",
		Long:  "Removes containers that do not run; with --force running ones too. Exit code 1: a container does not exist; 2: one runs, is paused, or is needed by another; 125: anything else.",
		Examples: `# Remove a container and the volumes without a name that it used
manager rm -v web
# Stop and remove everything
manager rm --all --force`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&s, "a", "Remove all containers"), cidfileFlag(&s), filterFlag(&s, ""),
				{Name: "depend", To: &o.Depend, Usage: "Remove the containers that depend on it too"},
				{Name: "force", Short: "f", To: &o.Force, Usage: "Stop running containers first; names that do not exist are passed over"},
				{Name: "ignore", Short: "i", To: &s.Ignore, Usage: "Pass over names that do not exist"},
				latestFlag(&s), timeFlag(&timeout),
				{Name: "volumes", Short: "v", To: &o.Volumes, Usage: "Remove the volumes without a name that it used"},
			}
		},
		Complete: flags.CompleteContainers,
		Codes:    command.Codes{errdefs.ErrNotFound: 1, errdefs.ErrState: 2, errdefs.ErrInUse: 2},
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if err := chosen(&s, args); err != nil {
				return err
			}
			if timeout != nil && !o.Force {
				return &errdefs.Error{Op: "--time", Class: errdefs.ErrInvalid, Cause: errors.New("needs --force")}
			}
			o.Timeout = command.Seconds(timeout)
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return remove(ctx, app, rt, s, o)
		},
	}
}

// remove removes those that others depend on after these.
func remove(ctx context.Context, app *command.App, core remover, s libpod.Selection, o libpod.RemoveOptions) error {
	s.Ignore = s.Ignore || o.Force
	found, errs := targets(ctx, core, s)
	ids := make([]string, len(found))
	for i, t := range found {
		ids[i] = t.id
	}
	rounds, err := core.RemovalRounds(ctx, ids)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for round := 0; len(found) > 0; round++ {
		var now, later []target
		for _, t := range found {
			if rounds[t.id] == round {
				now = append(now, t)
			} else {
				later = append(later, t)
			}
		}
		errs = append(errs, parallel(app, now, func(id, _ string) error {
			_, err := core.Remove(ctx, id, o)
			if (s.All || s.Ignore) && errors.Is(err, errdefs.ErrNotFound) {
				return nil // removed meanwhile, perhaps with one it depended on
			}
			return err
		}))
		found = later
	}
	return errors.Join(errs...)
}
