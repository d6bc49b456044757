package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/cmd/manager/cli/terminal"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// puller is what pull needs of the core.
type puller interface {
	Pull(ctx context.Context, name string, opts image.PullOptions) ([]image.Image, error)
}

type pullOptions struct {
	remote   remoteOptions
	platform platformOptions
	policy   string
	allTags  bool
	quiet    bool
}

// Pull is `manager pull`.
func Pull() *command.Command {
	o := pullOptions{policy: "always"}
	return &command.Command{
		Use:       "pull [options] IMAGE [IMAGE...]",
		Short:     "Fetch images",
		Transfers: true,
		Long:      "Fetches images from registries, or from transport:reference with docker, oci, oci-archive, docker-archive or dir, and prints their ids.",
		Examples: `# Fetch an image
manager pull docker.io/library/alpine:latest
# Fetch it for another architecture
manager pull --platform linux/arm64 docker.io/library/alpine`,
		Flags: func() []flags.Flag {
			table := append(o.remote.flags(), o.platform.partFlags(false)...)
			return append(table,
				flags.Flag{Name: "all-tags", Short: "a", To: &o.allTags, Usage: "Fetch every tag of the repository"},
				flags.Flag{Name: "decryption-key", Type: "stringArray", Unsupported: "encrypted images are not available in this version"},
				flags.Flag{Name: "platform", To: &o.platform.platform, Usage: "Choose the image for OS/ARCH[/VARIANT]"},
				flags.Flag{Name: "policy", To: &o.policy, Choices: []string{"always", "missing", "never", "newer"}, Usage: "When to fetch"},
				flags.Flag{Name: "quiet", Short: "q", To: &o.quiet, Usage: "Print the id only"},
			)
		},
		Args:     command.AtLeast(1, "an image name"),
		Complete: flags.CompleteImages,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			opts, err := o.core()
			if err != nil {
				return err
			}
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return pull(ctx, app, images, args, opts, o.quiet)
		},
	}
}

func (o *pullOptions) core() (opts image.PullOptions, err error) {
	opts.AllTags = o.allTags
	if opts.RemoteOptions, err = o.remote.core(); err != nil {
		return opts, err
	}
	if opts.Platform, err = o.platform.core(); err != nil {
		return opts, err
	}
	opts.Policy, err = image.ParsePolicy(o.policy)
	return opts, err
}

func pull(ctx context.Context, app *command.App, core puller, names []string, opts image.PullOptions, quiet bool) error {
	progress := render.NewProgress(app.Err)
	defer progress.Close()
	if !quiet {
		opts.Progress = progress.Handle
	}
	if terminal.IsTerminal(app.In) {
		opts.Choose = func(choices []string) (string, error) { return choose(app, choices) }
	}
	var errs []error
	for _, name := range names {
		images, err := core.Pull(ctx, name, opts)
		progress.Close()
		if err != nil {
			errs = append(errs, err)
		}
		for _, img := range images {
			app.Println(img.ID)
		}
	}
	return errors.Join(errs...)
}

// choose asks which of several names a short name means.
func choose(app *command.App, names []string) (string, error) {
	for i, n := range names {
		fmt.Fprintf(app.Err, "%d. %s\n", i+1, n)
	}
	fmt.Fprint(app.Err, "Which image? ")
	line, err := bufio.NewReader(app.In).ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || n < 1 || n > len(names) {
		return "", errdefs.New(errdefs.ErrInvalid, "", "", "no such choice: %q", strings.TrimSpace(line))
	}
	return names[n-1], nil
}
