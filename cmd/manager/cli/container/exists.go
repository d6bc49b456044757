package container

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
)

// existence is what exists needs of the core.
type existence interface {
	Exists(ctx context.Context, name string) (bool, error)
	List(ctx context.Context, o libpod.ListOptions) ([]libpod.ListEntry, error)
}

// Exists is `manager container exists`.
func Exists() *command.Command {
	var external bool
	return &command.Command{
		Use:   "exists [options] CONTAINER",
		Short: "Tell by the exit code whether a container exists",
		Long:  "Prints nothing. Exit code 0: it exists; 1: it does not; 125: an error.",
		Examples: `# Make a container unless it is there
manager container exists web || manager create --name web docker.io/library/nginx`,
		Flags: func() []flags.Flag {
			return []flags.Flag{{Name: "external", To: &external, Usage: "Look among the containers of other tools too"}}
		},
		Args:     command.Exactly(1, "one container name or id"),
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return exists(ctx, rt, args[0], external)
		},
	}
}

func exists(ctx context.Context, core existence, name string, external bool) error {
	found, err := core.Exists(ctx, name)
	if err != nil || found {
		return err
	}
	if external {
		all, err := core.List(ctx, libpod.ListOptions{All: true, External: true})
		if err != nil {
			return err
		}
		for _, c := range all {
			if c.External && (c.ID == name || len(c.Names) > 0 && c.Names[0] == name) {
				return nil
			}
		}
	}
	return command.ExitCode(1)
}
