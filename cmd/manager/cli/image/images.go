package image

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// lister is what images needs of the core.
type lister interface {
	List(ctx context.Context, opts image.ListOptions) ([]image.Summary, error)
}

type listOptions struct {
	core      image.ListOptions
	format    string
	sort      string
	digests   bool
	history   bool
	noTrunc   bool
	noHeading bool
	quiet     bool
}

var sortKeys = []string{"created", "id", "repository", "size", "tag"}

// Images is `manager images`.
func Images() *command.Command {
	o := listOptions{sort: "created"}
	return &command.Command{
		Use:   "images [options] [IMAGE]",
		Short: "List images",
		Long:  "Lists the images of the store, one line for each name. --format takes table, json, or a Go template with the fields of the table and of the JSON output.",
		Examples: `# Images without a name
manager images --filter dangling=true
# Names and sizes
manager images --format '{{.Repository}}:{{.Tag}} {{.Size}}'`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "all", Short: "a", To: &o.core.All, Default: "hides intermediate images", Usage: "Show the images that others were built upon too"},
				{Name: "digests", To: &o.digests, Usage: "Show digests"},
				{Name: "filter", Short: "f", To: &o.core.Filters, Default: "[]", Usage: "Show the images that match KEY=VALUE"},
				{Name: "format", To: &o.format, Choices: []string{"table", "json"}, Usage: "table, json, or a Go template"},
				{Name: "history", To: &o.history, Usage: "Show the names that images had before"},
				{Name: "no-trunc", To: &o.noTrunc, Usage: "Show ids whole"},
				{Name: "noheading", Short: "n", To: &o.noHeading, Usage: "Leave the headings out"},
				{Name: "quiet", Short: "q", To: &o.quiet, Usage: "Show ids only"},
				{Name: "sort", Value: "choice", To: &o.sort, Default: "created", Choices: sortKeys, Usage: "Order by created, id, repository, size or tag"},
			}
		},
		Args:     command.Between(0, 1, "at most one image"),
		Complete: flags.CompleteImages,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			f, err := o.check(args)
			if err != nil {
				return err
			}
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return list(ctx, app, images, o, f)
		},
	}
}

func (o *listOptions) check(args []string) (render.Format, error) {
	if len(args) > 0 {
		if len(o.core.Filters) > 0 {
			return render.Format{}, errdefs.New(errdefs.ErrInvalid, "", "", "an image name and --filter exclude each other").WithHint("use --filter reference=%s", args[0])
		}
		o.core.Filters = []string{"reference=" + args[0]}
	}
	if !slices.Contains(sortKeys, o.sort) {
		return render.Format{}, errdefs.Invalid("--sort", o.sort, "must be one of %s", strings.Join(sortKeys, ", "))
	}
	return render.ParseFormat(o.format)
}

func list(ctx context.Context, app *command.App, core lister, o listOptions, f render.Format) error {
	summaries, err := core.List(ctx, o.core)
	if err != nil {
		return err
	}
	rows := rowsOf(summaries, o, time.Now())
	sortRows(rows, o.sort)
	switch {
	case f.JSON():
		all := make([]imageJSON, len(summaries))
		for i := range summaries {
			all[i] = jsonOf(&summaries[i])
		}
		return render.JSON(app.Out, all)
	case o.quiet:
		return printIDs(app, rows)
	case !f.Default():
		return render.List(app.Out, f, rows, imageHeadings, o.noHeading)
	}
	return render.Table(app.Out, imageTable(rows, o))
}

// printIDs prints each id once, though an image has a row for every name.
func printIDs(app *command.App, rows []imageRow) error {
	seen := map[string]bool{}
	for _, r := range rows {
		if !seen[r.s.ID] {
			seen[r.s.ID] = true
			app.Println(r.ID())
		}
	}
	return nil
}

func sortRows(rows []imageRow, key string) {
	slices.SortStableFunc(rows, func(a, b imageRow) int {
		switch key {
		case "id":
			return cmp.Compare(a.s.ID, b.s.ID)
		case "repository":
			return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Tag, b.Tag))
		case "size":
			return cmp.Compare(a.s.Size, b.s.Size)
		case "tag":
			return cmp.Compare(a.Tag, b.Tag)
		}
		return b.s.Created.Compare(a.s.Created)
	})
}

func imageTable(rows []imageRow, o listOptions) [][]string {
	head := []string{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"}
	if o.digests {
		head = slices.Insert(head, 2, "DIGEST")
	}
	if o.history {
		head = append(head, "HISTORY")
	}
	var table [][]string
	if !o.noHeading {
		table = append(table, head)
	}
	for _, r := range rows {
		cells := []string{r.Repository, r.Tag, r.ID(), r.Created(), r.Size()}
		if o.digests {
			cells = slices.Insert(cells, 2, r.Digest())
		}
		if o.history {
			cells = append(cells, r.History())
		}
		table = append(table, cells)
	}
	return table
}
