package system

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/rootless"
)

// migrator is what migrate needs of the core.
type migrator interface {
	List(ctx context.Context, o libpod.ListOptions) ([]libpod.ListEntry, error)
	Stop(ctx context.Context, id string, o libpod.StopOptions) (libpod.StopReport, error)
	RemoveSharedNetwork(ctx context.Context) error
}

// Migrate is `manager system migrate`.
func Migrate() *command.Command {
	var newRuntime string
	var database bool
	return &command.Command{
		Use:   "migrate [options]",
		Short: "Give the user's namespaces up, so that the next command makes them anew",
		Long:  "Stop the user's containers, take down the network of unshare --rootless-netns, and end the process that holds the user's namespaces. The next command makes them anew, with the ranges that /etc/subuid and /etc/subgid have then. For root there is nothing to do.",
		Examples: `# After a change of /etc/subuid
manager system migrate`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "new-runtime", To: &newRuntime, Usage: "Let all containers have another OCI runtime"},
				{Name: "migrate-db", To: &database, Usage: "Change the kind of database"},
			}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			if newRuntime != "" {
				return errdefs.Unsupported("--new-runtime", "a container keeps the runtime that it was made with").WithHint("create the containers anew with --runtime")
			}
			if database {
				return errdefs.Unsupported("--migrate-db", "there is one kind of database").WithHint("leave it out")
			}
			if !rootless.Active() {
				return nil
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return migrate(ctx, app, rt)
		},
	}
}

func migrate(ctx context.Context, app *command.App, core migrator) error {
	running, err := core.List(ctx, libpod.ListOptions{})
	if err != nil {
		return err
	}
	for _, c := range running {
		if _, err := core.Stop(ctx, c.ID, libpod.StopOptions{}); err != nil {
			return err
		}
		app.Println(c.ID)
	}
	if err := core.RemoveSharedNetwork(ctx); err != nil {
		return err
	}
	return rootless.Release()
}
