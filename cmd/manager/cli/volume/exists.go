package volume

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
)

// Exists is `manager volume exists`.
func Exists() *command.Command {
	return &command.Command{
		Use:   "exists VOLUME",
		Short: "Tell by the exit code whether a volume exists",
		Long:  "Prints nothing. Exit code 0: it exists; 1: it does not; 125: an error.",
		Examples: `# Make a volume unless it is there
manager volume exists data || manager volume create data`,
		Args:     command.Exactly(1, "one volume name"),
		Complete: flags.CompleteVolumes,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			found, err := rt.VolumeExists(ctx, args[0])
			if err == nil && !found {
				return command.ExitCode(1)
			}
			return err
		},
	}
}
