package volume

import (
	"context"
	"slices"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
)

// lister is what ls needs of the core.
type lister interface {
	VolumeList(ctx context.Context, filters []string) ([]libpod.Volume, error)
}

type lsOptions struct {
	filters          []string
	format           string
	noHeading, quiet bool
}

// Ls is `manager volume ls`.
func Ls() *command.Command {
	var o lsOptions
	return &command.Command{
		Use:     "ls [options]",
		Aliases: []string{"list"},
		Short:   "List volumes",
		Examples: `# Volumes that no container uses
manager volume ls --filter dangling=true`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "filter", Short: "f", To: &o.filters, Usage: "Show the volumes that match KEY=VALUE"},
				{Name: "format", To: &o.format, Default: `{{range .}}{{.Driver}}\t{{.Name}}\n{{end -}}`, Choices: []string{"table", "json"}, Usage: "table, json, or a Go template"},
				{Name: "noheading", Short: "n", To: &o.noHeading, Usage: "Leave the headings out"},
				{Name: "quiet", Short: "q", To: &o.quiet, Usage: "Show names only"},
			}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			f, err := render.ParseFormat(o.format)
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return ls(ctx, app, rt, o, f)
		},
	}
}

// row is a volume for templates.
type row struct {
	libpod.Volume
}

// Labels are all labels as k=v, in order.
func (r row) Labels() string {
	var pairs []string
	for k, v := range r.Volume.Labels {
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// Label returns one label's value.
func (r row) Label(name string) string { return r.Volume.Labels[name] }

func ls(ctx context.Context, app *command.App, core lister, o lsOptions, f render.Format) error {
	volumes, err := core.VolumeList(ctx, o.filters)
	if err != nil {
		return err
	}
	switch {
	case f.JSON():
		return render.JSON(app.Out, withoutNull(volumes))
	case o.quiet:
		for i := range volumes {
			app.Println(volumes[i].Name)
		}
		return nil
	case !f.Default():
		rows := make([]row, len(volumes))
		for i, v := range volumes {
			rows[i] = row{v}
		}
		return render.List(app.Out, f, rows, map[string]string{"Name": "VOLUME NAME"}, o.noHeading)
	}
	var table [][]string
	if !o.noHeading && len(volumes) > 0 {
		table = append(table, []string{"DRIVER", "VOLUME NAME"})
	}
	for i := range volumes {
		table = append(table, []string{volumes[i].Driver, volumes[i].Name})
	}
	return render.Table(app.Out, table)
}

// withoutNull gives every volume maps, so that programs find objects.
func withoutNull(volumes []libpod.Volume) []libpod.Volume {
	shown := make([]libpod.Volume, len(volumes))
	for i, v := range volumes {
		if v.Labels == nil {
			v.Labels = map[string]string{}
		}
		if v.Options == nil {
			v.Options = map[string]string{}
		}
		shown[i] = v
	}
	return shown
}
