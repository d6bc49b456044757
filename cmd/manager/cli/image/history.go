package image

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod/image"
)

// historian is what history needs of the core.
type historian interface {
	History(ctx context.Context, name string) ([]image.Step, error)
}

type historyOptions struct {
	format         string
	human, noTrunc bool
	quiet          bool
}

// History is `manager history`.
func History() *command.Command {
	o := historyOptions{human: true}
	return &command.Command{
		Use:   "history [options] IMAGE",
		Short: "Show how an image was made",
		Examples: `# The commands, whole
manager history --no-trunc --format '{{.CreatedBy}}' docker.io/library/alpine`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "format", To: &o.format, Choices: []string{"table", "json"}, Usage: "table, json, or a Go template"},
				{Name: "human", Short: "H", To: &o.human, Usage: "Show sizes and times for people"},
				{Name: "no-trunc", To: &o.noTrunc, Usage: "Show ids and commands whole"},
				{Name: "quiet", Short: "q", To: &o.quiet, Usage: "Show ids only"},
			}
		},
		Args:     command.Exactly(1, "one image name or id"),
		Complete: flags.CompleteImages,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			f, err := render.ParseFormat(o.format)
			if err != nil {
				return err
			}
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return history(ctx, app, images, args[0], o, f)
		},
	}
}

// historyRow is a row of history for templates.
type historyRow struct {
	s   image.Step
	o   historyOptions
	now time.Time
}

// ID is the id of the image that ends with the step.
func (r historyRow) ID() string { return render.ID(r.s.ID, r.o.noTrunc) }

// Created is the step's age, or with --human=false its time.
func (r historyRow) Created() string {
	if r.s.Created == nil {
		return ""
	}
	if !r.o.human {
		return r.s.Created.Format(time.RFC3339)
	}
	return render.Age(*r.s.Created, r.now)
}

func (r historyRow) CreatedAt() string {
	if r.s.Created == nil {
		return ""
	}
	return r.s.Created.Format(time.RFC3339)
}
func (r historyRow) CreatedSince() string { return r.Created() }
func (r historyRow) Comment() string      { return r.s.Comment }
func (r historyRow) Tags() string         { return strings.Join(r.s.Tags, ", ") }

// CreatedBy is the step's command, cut to 45 letters.
func (r historyRow) CreatedBy() string {
	if r.o.noTrunc {
		return r.s.CreatedBy
	}
	return render.Cut(strings.ReplaceAll(r.s.CreatedBy, "\t", " "), 45)
}

// Size is the size of the step's layer.
func (r historyRow) Size() string {
	if r.o.human {
		return render.SpacedSize(r.s.Size)
	}
	return fmt.Sprint(r.s.Size)
}

// historyJSON adds the age to Podman's fields. Created is both a time and an age, the
// latter under the upper-case name.
type historyJSON struct {
	image.Step
	Age string `json:"Created"`
}

func history(ctx context.Context, app *command.App, core historian, name string, o historyOptions, f render.Format) error {
	steps, err := core.History(ctx, name)
	if err != nil {
		return err
	}
	rows := make([]historyRow, len(steps))
	for i, s := range steps {
		rows[i] = historyRow{s: s, o: o, now: time.Now()}
	}
	switch {
	case f.JSON():
		all := make([]historyJSON, len(steps))
		for i, s := range steps {
			s.Tags = orEmpty(s.Tags)
			all[i] = historyJSON{Step: s, Age: rows[i].Created()}
		}
		return render.JSON(app.Out, all)
	case o.quiet:
		for _, r := range rows {
			app.Println(r.ID())
		}
		return nil
	case !f.Default():
		return render.List(app.Out, f, rows, map[string]string{"CreatedBy": "CREATED BY", "CreatedAt": "CREATED AT"}, false)
	}
	table := [][]string{{"ID", "CREATED", "CREATED BY", "SIZE", "COMMENT"}}
	for _, r := range rows {
		table = append(table, []string{r.ID(), r.Created(), r.CreatedBy(), r.Size(), r.Comment()})
	}
	return render.Table(app.Out, table)
}
