package container

import (
	"context"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/cmd/manager/cli/terminal"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/spec"
)

// runner is what run needs of the core.
type runner interface {
	Run(ctx context.Context, req *spec.Request, o libpod.RunOptions) (libpod.RunReport, error)
}

// Run is `manager run`.
func Run() *command.Command {
	req := newRequest()
	var holders libpod.PortHolders
	return &command.Command{
		Use:   "run [options] IMAGE [COMMAND [ARG...]]",
		Short: "Run a command in a new container",
		Long: "Makes a container of an image, starts it, and waits for its end unless --detach is given. " +
			"The exit code is the program's; 125 when the container could not be made or started, 126 when the program cannot be executed, 127 when it is not there.",
		Examples: `# Run a shell and remove the container afterwards
manager run --rm -it docker.io/library/alpine sh
# Run a server in the background under a name
manager run -d --name web docker.io/library/nginx
# Read a directory of the host, limit memory
manager run --rm -v /srv/data:/data:ro -m 256m --network none docker.io/library/alpine ls /data`,
		Flags:          func() []flags.Flag { return append(createFlags(req), runOnlyFlags(req)...) },
		Args:           command.AtLeast(1, "an image (or with --rootfs a directory)"),
		Complete:       flags.CompleteImages,
		NoInterspersed: true,
		BeforeJoin:     func() { holders = libpod.FindPortHolders(req.Net.Publish) },
		Run: func(ctx context.Context, app *command.App, args []string) error {
			fillRequest(req, app, args)
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return run(ctx, app, rt, req, holders)
		},
	}
}

// fillRequest completes a request with what is not an option.
func fillRequest(req *spec.Request, app *command.App, args []string) {
	req.Image, req.Command = args[0], args[1:]
	req.CreateCommand = app.Args
	req.Changed = app.Changed
}

func run(ctx context.Context, app *command.App, core runner, req *spec.Request, holders libpod.PortHolders) error {
	o := libpod.RunOptions{PortHolders: holders, Created: func(r libpod.CreateReport) { printWarnings(app, r.Warnings) }}
	if !req.Life.Quiet {
		progress := render.NewProgress(app.Err)
		defer progress.Close()
		o.Progress = progress.Handle
	}
	if !req.Life.Detach {
		session, err := terminal.Open(attachment(app, req))
		if err != nil {
			return err
		}
		defer session.Close()
		o.Streams = &session.Streams
	}
	report, err := core.Run(ctx, req, o)
	if err != nil {
		return err
	}
	if req.Life.Detach {
		app.Println(report.ID)
		return nil
	}
	if report.Detached || report.ExitCode == 0 {
		return nil
	}
	return command.ExitCode(report.ExitCode)
}

// attachment decides which streams run attaches: those of --attach, else output always
// and input with --interactive.
func attachment(app *command.App, req *spec.Request) terminal.Config {
	c := terminal.Config{TTY: req.Process.TTY, SigProxy: req.Life.SigProxy && !req.Process.TTY, DetachKeys: detachKeys(req.Life.DetachKeys)}
	if len(req.Life.Attach) == 0 {
		c.Out, c.Err = app.Out, app.Err
		if req.Process.Interactive {
			c.In = app.In
		}
	}
	for _, stream := range req.Life.Attach {
		switch strings.ToLower(stream) {
		case "stdin":
			c.In = app.In
		case "stdout":
			c.Out = app.Out
		case "stderr":
			c.Err = app.Err
		}
	}
	if c.TTY && c.In != nil && !terminal.IsTerminal(c.In) {
		app.Warn("the input device is not a terminal; the container's terminal gets its bytes as they are")
	}
	return c
}

// detachKeys is the sequence of the option, or the usual one when it was not given.
func detachKeys(option *string) string {
	if option == nil {
		return define.DetachKeys
	}
	return *option
}

// warner prints what the core has to say.
func warner(app *command.App) func(libpod.Warning) {
	return func(w libpod.Warning) { app.Warn("%s", string(w)) }
}

func printWarnings(app *command.App, warnings []libpod.Warning) {
	for _, w := range warnings {
		app.Warn("%s", string(w))
	}
}
