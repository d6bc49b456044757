package image

import (
	"context"
	"slices"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/cmd/manager/cli/terminal"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// saver is what save needs of the core.
type saver interface {
	Save(ctx context.Context, names []string, opts image.SaveOptions) error
}

var saveFormats = []string{image.FormatDockerArchive, image.FormatOCIArchive, image.FormatOCIDir, image.FormatDockerDir}

// Save is `manager save`.
func Save() *command.Command {
	o := image.SaveOptions{Format: image.FormatDockerArchive}
	var quiet bool
	return &command.Command{
		Use:       "save [options] IMAGE [IMAGE...]",
		Short:     "Write images to an archive",
		Transfers: true,
		Long:      "Writes images to an archive or directory, or to standard output.",
		Examples: `# To a file
manager save -o alpine.tar docker.io/library/alpine
# To another machine
manager save web | ssh host manager load`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "compress", To: &o.Compress, Default: "is same compression type as source", Usage: "Compress the layers of a docker-dir"},
				{Name: "format", To: &o.Format, Choices: saveFormats, Usage: "docker-archive, oci-archive, oci-dir or docker-dir"},
				{Name: "multi-image-archive", Short: "m", To: &o.MultiImage, Usage: "Every argument is an image; without it those after the first are further names"},
				{Name: "output", Short: "o", To: &o.Output, Complete: flags.CompleteFiles, Usage: "Write here instead of standard output"},
				{Name: "quiet", Short: "q", To: &quiet, Usage: "Show no progress"},
				{Name: "uncompressed", To: &o.Uncompressed, Usage: "Leave the layers of OCI formats uncompressed"},
			}
		},
		Args:     command.AtLeast(1, "an image"),
		Complete: flags.CompleteImages,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if !slices.Contains(saveFormats, o.Format) {
				return errdefs.Invalid("--format", o.Format, "must be one of %s", strings.Join(saveFormats, ", "))
			}
			if o.Output == "" || o.Output == "-" {
				if terminal.WriterIsTerminal(app.Out) {
					return errdefs.New(errdefs.ErrInvalid, "", "", "standard output is a terminal").WithOp("save").WithHint("name a file with --output, or redirect")
				}
				o.Output, o.Writer = "", app.Out
			}
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return save(ctx, app, images, args, o, quiet)
		},
	}
}

func save(ctx context.Context, app *command.App, core saver, names []string, o image.SaveOptions, quiet bool) error {
	progress := render.NewProgress(app.Err)
	progress.Trying = "Writing %s..."
	defer progress.Close()
	if !quiet {
		o.Progress = progress.Handle
	}
	return core.Save(ctx, names, o)
}
