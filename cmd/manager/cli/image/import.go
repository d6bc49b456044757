package image

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod/image"
)

// importer is what import needs of the core.
type importer interface {
	Import(ctx context.Context, opts image.ImportOptions) (image.Image, error)
}

// Import is `manager import`.
func Import() *command.Command {
	var o image.ImportOptions
	var p platformOptions
	var quiet bool
	return &command.Command{
		Use:       "import [options] PATH [REFERENCE]",
		Short:     "Make an image of a root filesystem's archive",
		Transfers: true,
		Long:      "Makes an image with one layer of a tar archive: a file, a URL, or - for standard input. Prints its id.",
		Examples: `# With a command to run
manager import --change CMD=/bin/sh rootfs.tar localhost/tiny`,
		Flags: func() []flags.Flag {
			return append(p.partFlags(true),
				flags.Flag{Name: "change", Short: "c", To: &o.Changes, Usage: "Instruction to apply: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR"},
				flags.Flag{Name: "message", Short: "m", To: &o.Message, Usage: "Comment for the history"},
				flags.Flag{Name: "quiet", Short: "q", To: &quiet, Usage: "Print the id only"},
			)
		},
		Args: command.Between(1, 2, "an archive, and at most one name"),
		Run: func(ctx context.Context, app *command.App, args []string) (err error) {
			if o.Source = args[0]; o.Source == "-" {
				o.Source, o.Reader = "", app.In
			}
			if len(args) > 1 {
				o.Name = args[1]
			}
			if o.Platform, err = p.core(); err != nil {
				return err
			}
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return importImage(ctx, app, images, o, quiet)
		},
	}
}

func importImage(ctx context.Context, app *command.App, core importer, o image.ImportOptions, quiet bool) error {
	progress := render.NewProgress(app.Err)
	progress.Trying = "Reading %s..."
	if !quiet {
		o.Progress = progress.Handle
	}
	img, err := core.Import(ctx, o)
	progress.Close()
	if err != nil {
		return err
	}
	app.Println("sha256:" + img.ID)
	return nil
}
