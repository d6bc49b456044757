package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
)

// lister is what ps needs of the core.
type lister interface {
	List(ctx context.Context, o libpod.ListOptions) ([]libpod.ListEntry, error)
}

type psOptions struct {
	core      libpod.ListOptions
	format    string
	sort      string
	noHeading bool
	noTrunc   bool
	quiet     bool
	watch     uint
}

// sortKeys are the words of --sort.
var sortKeys = []string{"command", "created", "id", "image", "names", "runningfor", "size", "status"}

// Ps is `manager ps`.
func Ps() *command.Command {
	o := psOptions{core: libpod.ListOptions{Last: -1}}
	return &command.Command{
		Use:   "ps [options]",
		Short: "List containers",
		Long:  "Lists running containers, with --all every container. --format takes table, json, or a Go template with the fields of the table and of the JSON output.",
		Examples: `# All containers
manager ps --all
# Names and states only
manager ps -a --format '{{.Names}} {{.Status}}'`,
		Flags: func() []flags.Flag { return psFlags(&o) },
		Args:  command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			view, err := newPsView(o)
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return ps(ctx, app, rt, o, view)
		},
	}
}

func psFlags(o *psOptions) []flags.Flag {
	return []flags.Flag{
		{Name: "all", Short: "a", To: &o.core.All, Usage: "Show containers that do not run too"},
		{Name: "external", To: &o.core.External, Usage: "Show the containers of other tools in the store too"},
		{Name: "filter", Short: "f", To: &o.core.Filters, Usage: "Show the containers that match KEY=VALUE"},
		{Name: "format", To: &o.format, Choices: []string{"table", "json"}, Usage: "table, json, or a Go template"},
		{Name: "last", Short: "n", To: &o.core.Last, Usage: "Show this many containers made last, in any state; -1 is no limit"},
		{Name: "latest", Short: "l", To: &o.core.Latest, Usage: "Show the container that was made last"},
		{Name: "no-trunc", To: &o.noTrunc, Usage: "Show ids and commands whole"},
		{Name: "noheading", To: &o.noHeading, Usage: "Leave the headings out"},
		{Name: "ns", To: &o.core.Namespace, Usage: "Show the namespaces"},
		{Name: "pod", Short: "p", Type: "bool", Unsupported: "there are no pods in this version"},
		{Name: "quiet", Short: "q", To: &o.quiet, Usage: "Show ids only"},
		{Name: "size", Short: "s", To: &o.core.Size, Usage: "Show the size on disk"},
		{Name: "sort", Value: "choice", To: &o.sort, Choices: sortKeys, Usage: "Order by command, created, id, image, names, runningfor, size or status"},
		{Name: "sync", To: &o.core.Sync, Usage: "Compare with the runtime first"},
		{Name: "watch", Short: "w", To: &o.watch, Usage: "Show again every so many seconds"},
	}
}

// psView is how ps prints, checked before anything is asked of the core.
type psView struct {
	format render.Format
	less   func(a, b libpod.ListEntry) int
}

func newPsView(o psOptions) (psView, error) {
	invalid := func(text string) error {
		return &errdefs.Error{Class: errdefs.ErrInvalid, Cause: errors.New(text)}
	}
	var v psView
	var err error
	switch {
	case o.core.Latest && o.core.Last >= 0:
		return v, invalid("--last and --latest exclude each other")
	case o.quiet && (o.core.Size || o.core.Namespace):
		return v, invalid("--quiet excludes --size and --ns")
	case o.core.Size && o.core.Namespace:
		return v, invalid("--size and --ns exclude each other")
	}
	if v.format, err = render.ParseFormat(o.format); err != nil {
		return v, err
	}
	v.less, err = order(o.sort)
	return v, err
}

func ps(ctx context.Context, app *command.App, core lister, o psOptions, v psView) error {
	for {
		entries, err := core.List(ctx, o.core)
		if err != nil {
			return err
		}
		sortEntries(entries, v.less)
		if o.watch > 0 {
			fmt.Fprint(app.Out, "\x1b[H\x1b[2J")
		}
		if err := printPs(app, entries, o, v.format, time.Now()); err != nil || o.watch == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(o.watch) * time.Second):
		}
	}
}

func printPs(app *command.App, entries []libpod.ListEntry, o psOptions, f render.Format, now time.Time) error {
	rows := make([]psRow, len(entries))
	for i, e := range entries {
		rows[i] = psRow{e: e, full: o.noTrunc, now: now}
	}
	switch {
	case f.JSON():
		all := make([]psJSON, len(rows))
		for i, r := range rows {
			all[i] = r.json()
		}
		return render.JSON(app.Out, all)
	case o.quiet:
		for _, r := range rows {
			app.Println(render.ID(r.e.ID, o.noTrunc))
		}
		return nil
	case !f.Default():
		return render.List(app.Out, f, rows, psHeadings, o.noHeading)
	}
	return render.Table(app.Out, psTable(rows, o))
}

func psTable(rows []psRow, o psOptions) [][]string {
	head := []string{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}
	if o.core.Namespace {
		head = []string{"CONTAINER ID", "NAMES", "PID", "CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS"}
	}
	if o.core.Size {
		head = append(head, "SIZE")
	}
	var table [][]string
	if !o.noHeading {
		table = append(table, head)
	}
	for _, r := range rows {
		cells := []string{r.ID(), r.Image(), r.Command(), r.RunningFor(), r.Status(), r.Ports(), r.Names()}
		if o.core.Namespace {
			cells = []string{r.ID(), r.Names(), fmt.Sprint(r.Pid()), r.CGROUPNS(), r.IPC(), r.MNT(), r.NET(), r.PIDNS(), r.USERNS(), r.UTS()}
		}
		if o.core.Size {
			cells = append(cells, r.Size())
		}
		table = append(table, cells)
	}
	return table
}
