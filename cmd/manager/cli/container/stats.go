package container

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

// counter is what stats needs of the core.
type counter interface {
	selector
	Stats(ctx context.Context, o libpod.StatsOptions) ([]libpod.ContainerStats, error)
}

type statsOptions struct {
	core                      libpod.Selection
	format                    string
	interval                  int
	noReset, noStream, noCuts bool
}

// Stats is `manager stats`.
func Stats() *command.Command {
	o := statsOptions{interval: 5}
	return &command.Command{
		Use:   "stats [options] [CONTAINER...]",
		Short: "Show what containers use",
		Long: `Shows processor time, memory, network and disk traffic of the containers that run, or of those that are named, and
goes on until it is interrupted. CPU % counts since the last line, for the first since the container's start.`,
		Examples: `# All that run, as it changes
manager stats
# One look at two of them, for a program
manager stats --no-stream --format json web db`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&o.core, "a", "Show all containers, also those that do not run"),
				{Name: "format", To: &o.format, Usage: "Print json, or each container through this Go template; with \"table\" first under headings"},
				{Name: "interval", Short: "i", To: &o.interval, Usage: "Seconds between two looks"},
				latestFlag(&o.core),
				{Name: "no-reset", To: &o.noReset, Usage: "Do not clear the screen between two looks"},
				{Name: "no-stream", To: &o.noStream, Usage: "Look once"},
				{Name: "no-trunc", To: &o.noCuts, Usage: "Do not shorten ids"},
			}
		},
		Complete: flags.CompleteRunning,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			o.core.Names = args
			format, err := o.check()
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return stats(ctx, app, rt, o, format)
		},
	}
}

func (o *statsOptions) check() (render.Format, error) {
	invalid := func(text string) error { return &errdefs.Error{Class: errdefs.ErrInvalid, Cause: errors.New(text)} }
	switch {
	case o.core.All && o.core.Latest:
		return render.Format{}, invalid("--all and --latest exclude each other")
	case len(o.core.Names) > 0 && (o.core.All || o.core.Latest):
		return render.Format{}, invalid("--all and --latest take no container names")
	case o.interval < 1:
		return render.Format{}, invalid("--interval must be a number of seconds of at least 1")
	}
	return render.ParseFormat(o.format)
}

// stats looks, prints, and waits, until the user has seen enough.
func stats(ctx context.Context, app *command.App, core counter, o statsOptions, f render.Format) error {
	look := statsLook{core: core, o: o}
	show := statsShow{o: o, format: f}
	var screen *render.Screen
	if !o.noStream && !o.noReset && !f.JSON() {
		screen = render.OpenScreen(app.Out)
	}
	for {
		rows, err := look.take(ctx)
		select {
		case <-ctx.Done():
			return nil // which is how a look without end is ended
		default:
		}
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := show.print(&text, rows); err != nil {
			return err
		}
		if screen != nil {
			err = screen.Show(text.Bytes())
		} else {
			_, err = app.Out.Write(text.Bytes())
		}
		if err != nil || o.noStream {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(o.interval) * time.Second):
		}
	}
}

// statsLook takes one look after the other, and remembers the last.
type statsLook struct {
	core   counter
	o      statsOptions
	before map[string]libpod.ContainerStats
}

func (l *statsLook) take(ctx context.Context) ([]statsRow, error) {
	s := l.o.core
	named := len(s.Names) > 0 || s.Latest
	if !named {
		s.All = true
		if !l.o.core.All {
			s.Statuses = []define.Status{define.StatusRunning, define.StatusPaused, define.StatusStopping}
		}
	}
	ids, err := l.core.Select(ctx, s)
	if err != nil {
		return nil, err
	}
	if !named {
		slices.Reverse(ids) // the oldest first, as ps has them
	}
	all, err := l.core.Stats(ctx, libpod.StatsOptions{IDs: ids, Lenient: !named})
	if err != nil {
		return nil, err
	}
	now := make(map[string]libpod.ContainerStats, len(all))
	var rows []statsRow
	for _, s := range all {
		if s.Generation == 0 && !named && !l.o.core.All {
			continue // it has just ended
		}
		now[s.ID] = s
		rows = append(rows, newStatsRow(s, l.before[s.ID], l.o.noCuts))
	}
	l.before = now
	return rows, nil
}

// statsShow prints looks.
type statsShow struct {
	o       statsOptions
	format  render.Format
	columns render.Columns
}

var statsHeadings = map[string]string{
	"CPUPerc": "CPU %", "CPU": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemUsageBytes": "MEM USAGE / LIMIT", "MemPerc": "MEM %",
	"NetIO": "NET IO", "BlockIO": "BLOCK IO", "PIDs": "PIDS", "CPUTime": "CPU TIME", "AvgCPU": "AVG CPU %", "AVGCPU": "AVG CPU %",
}

func (s *statsShow) print(out *bytes.Buffer, rows []statsRow) error {
	switch {
	case s.format.JSON():
		all := make([]statsJSON, len(rows))
		for i, r := range rows {
			all[i] = r.json()
		}
		return render.JSON(out, all)
	case !s.format.Default():
		return render.List(out, s.format, rows, statsHeadings, false)
	}
	table := [][]string{{"ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET IO", "BLOCK IO", "PIDS", "CPU TIME", "AVG CPU %"}}
	for _, r := range rows {
		table = append(table, []string{
			r.ID(), r.Name, r.CPUPerc(), r.MemUsage(), r.MemPerc(), r.NetIO(), r.BlockIO(), r.PIDS(), r.CPUTime(), r.AVGCPU(),
		})
	}
	return s.columns.Write(out, table)
}
