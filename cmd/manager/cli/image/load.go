package image

import (
	"context"
	"fmt"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/cmd/manager/cli/terminal"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// loader is what load needs of the core.
type loader interface {
	Load(ctx context.Context, opts image.LoadOptions) ([]image.Image, error)
}

// Load is `manager load`.
func Load() *command.Command {
	var input string
	var quiet bool
	return &command.Command{
		Use:       "load [options]",
		Short:     "Read images from an archive",
		Transfers: true,
		Long:      "Stores the images of an archive of docker-archive or oci-archive format, compressed or not, or of a directory.",
		Examples: `# From a file
manager load -i images.tar
# From another machine
ssh host docker save web | manager load`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "input", Short: "i", To: &input, Complete: flags.CompleteFiles, Usage: "Archive or directory to read instead of standard input"},
				{Name: "quiet", Short: "q", To: &quiet, Usage: "Show no progress"},
			}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			opts := image.LoadOptions{Path: input}
			if input == "" || input == "-" {
				if terminal.IsTerminal(app.In) {
					return errdefs.New(errdefs.ErrInvalid, "", "", "standard input is a terminal").WithOp("load").WithHint("name an archive with --input, or pipe one in")
				}
				opts.Path, opts.Reader = "", app.In
			}
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return load(ctx, app, images, opts, quiet)
		},
	}
}

func load(ctx context.Context, app *command.App, core loader, opts image.LoadOptions, quiet bool) error {
	progress := render.NewProgress(app.Err)
	progress.Trying = "Reading %s..."
	if !quiet {
		opts.Progress = progress.Handle
	}
	images, err := core.Load(ctx, opts)
	progress.Close()
	for _, img := range images {
		if len(img.Names) == 0 {
			fmt.Fprintf(app.Out, "Loaded image: sha256:%s\n", img.ID)
		}
		for _, name := range loadedNames(img) {
			fmt.Fprintf(app.Out, "Loaded image: %s\n", name)
		}
	}
	return err
}

// loadedNames are the names an image was stored under, by preference those of this load.
func loadedNames(img image.Image) []string {
	if len(img.Stored) > 0 {
		return img.Stored
	}
	return img.Names
}
