package container

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/logs"
)

// logReader is what logs needs of the core.
type logReader interface {
	selector
	inspector
	Logs(ctx context.Context, id string, o libpod.LogsOptions, each func(logs.Line) error) error
}

type logsOptions struct {
	core                     libpod.LogsOptions
	latest                   bool
	names, timestamps, color bool
	since, until             string
}

// Logs is `manager logs`.
func Logs() *command.Command {
	o := logsOptions{core: libpod.LogsOptions{Tail: -1}}
	return &command.Command{
		Use:   "logs [options] CONTAINER [CONTAINER...]",
		Short: "Show what containers wrote",
		Long:  "Prints the kept output of containers: standard output on standard output, standard error on standard error.",
		Examples: `# The last ten lines, and what comes
manager logs --tail 10 -f web
# What two containers wrote in the last five minutes
manager logs --since 5m --names web db`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "color", To: &o.color, Usage: "Give each container's name a colour of its own (needs --names)"},
				{Name: "follow", Short: "f", To: &o.core.Follow, Usage: "Go on until the container ends"},
				{Name: "latest", Short: "l", To: &o.latest, Usage: "Take the container that was made last"},
				{Name: "names", Short: "n", To: &o.names, Usage: "Put the container's name before each line"},
				{Name: "since", To: &o.since, Usage: "Start at this time: 2006-01-02T15:04:05, a Unix time, or 10m for ten minutes ago"},
				{Name: "tail", To: &o.core.Tail, Usage: "Start with this many last lines; -1 is all"},
				{Name: "timestamps", Short: "t", To: &o.timestamps, Usage: "Put the time before each line"},
				{Name: "until", To: &o.until, Usage: "End at this time; 10m is in ten minutes, -10m was ten minutes ago"},
			}
		},
		Args:     latestOr(&o.latest, 1, "a container name or id, or --latest"),
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if err := parseTimes(&o, time.Now()); err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return showLogs(ctx, app, rt, libpod.Selection{Names: args, Latest: o.latest}, o)
		},
	}
}

func parseTimes(o *logsOptions, now time.Time) (err error) {
	if o.core.Since, err = parseTime("--since", o.since, now); err != nil {
		return err
	}
	if d, durationErr := time.ParseDuration(o.until); durationErr == nil {
		o.core.Until = now.Add(d) // as in Podman, a duration looks ahead here
		return nil
	}
	o.core.Until, err = parseTime("--until", o.until, now)
	return err
}

func showLogs(ctx context.Context, app *command.App, core logReader, s libpod.Selection, o logsOptions) error {
	ids, err := core.Select(ctx, s)
	if err != nil {
		return err
	}
	printer := newLogPrinter(app.Out, app.Err, o.timestamps)
	o.core.Idle = printer.flush
	var wait sync.WaitGroup
	errs := make([]error, len(ids))
	for i, id := range ids {
		label, err := logLabel(ctx, core, id, i, len(ids), o)
		if err != nil {
			return err
		}
		own := o.core
		own.Lost = func() {
			_ = printer.flush()
			app.Warn("container %s: lines were lost: its log was rotated faster than this command wrote; use a larger --log-opt max-size or max-file", define.ShortID(id))
		}
		show := func(line logs.Line) error { return printer.print(label, line) }
		if o.core.Follow && len(ids) > 1 {
			wait.Go(func() { errs[i] = core.Logs(ctx, id, own, show) })
			continue
		}
		errs[i] = core.Logs(ctx, id, own, show)
	}
	wait.Wait()
	return errors.Join(append(errs, printer.flush())...)
}

// logLabel is what stands before each line: nothing for a single container without --names.
func logLabel(ctx context.Context, core inspector, id string, index, count int, o logsOptions) (string, error) {
	if !o.names && count < 2 {
		return "", nil
	}
	label := define.ShortID(id)
	if o.names {
		record, err := core.Inspect(ctx, id)
		if err != nil {
			return "", err
		}
		label = record.Config.Name
	}
	if o.color {
		label = fmt.Sprintf("\x1b[%dm%s\x1b[0m", 31+index%6, label)
	}
	return label + " ", nil
}

// parseTime is logs.ParseTime, the zero time for an option that was not given.
func parseTime(option, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return logs.ParseTime(option, s, now)
}
