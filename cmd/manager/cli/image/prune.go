package image

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// Prune is `manager image prune`.
func Prune() *command.Command {
	var filters []string
	var all, force bool
	return &command.Command{
		Use:   "prune [options]",
		Short: "Remove images that nothing uses",
		Long:  "Removes images without a name, with --all every image that no container uses.",
		Examples: `# Without asking
manager image prune --force`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "all", Short: "a", To: &all, Usage: "Remove all images that no container uses"},
				{Name: "build-cache", Type: "bool", Unsupported: "nothing is built in this version, so there is no cache"},
				{Name: "external", Type: "bool", Unsupported: "the containers of other tools are left to those"},
				{Name: "filter", To: &filters, Usage: "Take the images that match KEY=VALUE: until, label, label!"},
				{Name: "force", Short: "f", To: &force, Usage: "Do not ask"},
			}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			if !force {
				yes, err := app.Confirm("WARNING! This command removes all " + pruned(all) + " images.")
				if err != nil || !yes {
					return err
				}
			}
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return prune(ctx, app, images, rt, filters, all)
		},
	}
}

func pruned(all bool) string {
	if all {
		return "unused"
	}
	return "dangling"
}

// prune asks the list what is unused and removes it; what has come into use since then
// is left alone by the core.
func prune(ctx context.Context, app *command.App, list lister, core remover, filters []string, all bool) error {
	for _, f := range filters {
		key, _, _ := strings.Cut(f, "=")
		if !slices.Contains([]string{"until", "label", "label!"}, key) {
			return errdefs.Invalid("--filter", f, "must be until=, label= or label!=")
		}
	}
	query := slices.Concat(filters, []string{"containers=false", "readonly=false"})
	if !all {
		query = append(query, "dangling=true")
	}
	summaries, err := list.List(ctx, image.ListOptions{Filters: query})
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range summaries {
		names := s.Names
		if len(names) == 0 {
			names = []string{s.ID}
		}
		removed, err := core.RemoveImages(ctx, names, image.RemoveOptions{})
		if err != nil && !errors.Is(err, errdefs.ErrInUse) {
			errs = append(errs, err)
		}
		for _, r := range removed {
			for _, id := range r.Deleted {
				app.Println(id)
			}
		}
	}
	return errors.Join(errs...)
}
