package container

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/spec"
)

// creator is what create needs of the core.
type creator interface {
	Create(ctx context.Context, req *spec.Request, progress image.ProgressFunc) (libpod.CreateReport, error)
}

// Create is `manager create`.
func Create() *command.Command {
	req := newRequest()
	return &command.Command{
		Use:   "create [options] IMAGE [COMMAND [ARG...]]",
		Short: "Make a container without starting it",
		Long:  "Makes a container of an image, ready for start, and prints its id.",
		Examples: `# Make a container and start it later
manager create --name web docker.io/library/nginx
manager start web`,
		Flags: func() []flags.Flag {
			return append(createFlags(req), flags.Flag{
				Name: "init-ctr", Group: groupLife, Type: "string",
				Unsupported: "there are no pods in this version",
			})
		},
		Args:           command.AtLeast(1, "an image (or with --rootfs a directory)"),
		Complete:       flags.CompleteImages,
		NoInterspersed: true,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			fillRequest(req, app, args)
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return create(ctx, app, rt, req)
		},
	}
}

func create(ctx context.Context, app *command.App, core creator, req *spec.Request) error {
	var progress image.ProgressFunc
	if !req.Life.Quiet {
		p := render.NewProgress(app.Err)
		defer p.Close()
		progress = p.Handle
	}
	report, err := core.Create(ctx, req, progress)
	if err != nil {
		return err
	}
	printWarnings(app, report.Warnings)
	app.Println(report.ID)
	return nil
}
