package container

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
)

// renamer is what rename needs of the core.
type renamer interface {
	selector
	Rename(ctx context.Context, id, name string) error
}

// Rename is `manager rename`.
func Rename() *command.Command {
	return &command.Command{
		Use:   "rename CONTAINER NAME",
		Short: "Give a container another name",
		Examples: `# Keep the old one while a new one takes its name
manager rename web web-old`,
		Args:     command.Exactly(2, "a container and its new name"),
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return rename(ctx, rt, args[0], args[1])
		},
	}
}

func rename(ctx context.Context, core renamer, from, to string) error {
	id, err := one(ctx, core, from, false)
	if err != nil {
		return err
	}
	return core.Rename(ctx, id, to)
}
