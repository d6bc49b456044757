package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// remover is what rmi needs of the core.
type remover interface {
	RemoveImages(ctx context.Context, names []string, o image.RemoveOptions) ([]image.Removed, error)
}

// Rmi is `manager rmi`.
func Rmi() *command.Command {
	var o image.RemoveOptions
	return &command.Command{
		Use:   "rmi [options] IMAGE [IMAGE...]",
		Short: "Remove images",
		Long:  "Takes names away, and with the last name the image. Exit code 1: an image does not exist; 2: one is used by a container or another image; 125: anything else.",
		Examples: `# Remove an image
manager rmi docker.io/library/alpine
# Remove everything that no container uses
manager rmi --all`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "all", Short: "a", To: &o.All, Usage: "Remove all images"},
				{Name: "force", Short: "f", To: &o.Force, Usage: "Remove the containers that use the image, and all its names"},
				{Name: "ignore", Short: "i", To: &o.Ignore, Usage: "Pass over images that do not exist"},
				{Name: "no-prune", To: &o.NoPrune, Usage: "Keep the images without a name that it was built upon"},
			}
		},
		Args:     func(args []string) error { return namesOrAll(o.All, args) },
		Complete: flags.CompleteImages,
		Codes:    command.Codes{errdefs.ErrNotFound: 1, errdefs.ErrInUse: 2},
		Run: func(ctx context.Context, app *command.App, args []string) error {
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return remove(ctx, app, rt, args, o)
		},
	}
}

func namesOrAll(all bool, args []string) error {
	if all {
		return command.NoArgs(args)
	}
	return command.AtLeast(1, "an image name or id, or --all")(args)
}

func remove(ctx context.Context, app *command.App, core remover, names []string, o image.RemoveOptions) error {
	removed, err := core.RemoveImages(ctx, names, o)
	for _, r := range removed {
		for _, name := range r.Untagged {
			fmt.Fprintf(app.Out, "Untagged: %s\n", name)
		}
		for _, id := range r.Deleted {
			fmt.Fprintf(app.Out, "Deleted: %s\n", strings.TrimPrefix(id, "sha256:"))
		}
	}
	return err
}
