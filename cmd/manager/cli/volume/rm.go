package volume

import (
	"context"
	"errors"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/pkg/errdefs"
)

// remover is what rm needs of the core.
type remover interface {
	lister
	VolumeRemove(ctx context.Context, name string, force bool, timeout *uint) error
}

type rmOptions struct {
	all, force bool
	timeout    *int
}

// Rm is `manager volume rm`.
func Rm() *command.Command {
	var o rmOptions
	return &command.Command{
		Use:     "rm [options] VOLUME [VOLUME...]",
		Aliases: []string{"remove"},
		Short:   "Remove volumes",
		Long:    "Removes volumes with what is in them. Exit code 1: a volume does not exist; 2: one is used by a container; 125: anything else.",
		Examples: `# Remove a volume and the containers that use it
manager volume rm --force data`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "all", Short: "a", To: &o.all, Usage: "Remove all volumes"},
				{Name: "force", Short: "f", To: &o.force, Usage: "Remove the containers that use it too; names that do not exist are passed over"},
				{Name: "time", Aliases: []string{"timeout"}, Short: "t", To: &o.timeout, Default: "10", Usage: "Seconds to wait for such containers before killing; -1 waits for ever"},
			}
		},
		Args: func(args []string) error {
			if o.all {
				return command.NoArgs(args)
			}
			return command.AtLeast(1, "a volume's name, or --all")(args)
		},
		Complete: flags.CompleteVolumes,
		Codes:    command.Codes{errdefs.ErrNotFound: 1, errdefs.ErrInUse: 2},
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if o.timeout != nil && !o.force {
				return &errdefs.Error{Op: "--time", Class: errdefs.ErrInvalid, Cause: errors.New("needs --force")}
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return rm(ctx, app, rt, args, o)
		},
	}
}

func rm(ctx context.Context, app *command.App, core remover, names []string, o rmOptions) error {
	if o.all {
		volumes, err := core.VolumeList(ctx, nil)
		if err != nil {
			return err
		}
		for i := range volumes {
			names = append(names, volumes[i].Name)
		}
	}
	var errs []error
	for _, name := range names {
		err := core.VolumeRemove(ctx, name, o.force, command.Seconds(o.timeout))
		switch {
		case err == nil:
			app.Println(name)
		case o.force && errors.Is(err, errdefs.ErrNotFound):
		default:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
