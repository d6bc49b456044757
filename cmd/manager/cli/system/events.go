package system

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/pkg/eventlog"
)

// eventReader is what events needs of the core.
type eventReader interface {
	Events(ctx context.Context, o libpod.EventsOptions, each func(eventlog.Event) error) error
}

type eventsOptions struct {
	filters              []string
	format, since, until string
	stream, noTrunc      bool
}

// Events is `manager events`.
func Events() *command.Command {
	o := eventsOptions{stream: true, noTrunc: true}
	return &command.Command{
		Use:   "events [options]",
		Short: "Show what happens to containers, images and volumes",
		Long: "Prints what happens from now on, until it is interrupted. With --since or --until it begins with what was kept;" +
			" with --stream=false it ends with that. Events are kept in a file of bounded size: the oldest go first.",
		Examples: `# Containers that end, with their exit codes
manager events --filter event=died --format '{{.Name}} {{.ContainerExitCode}}'
# What happened in the last hour
manager events --since 1h --stream=false`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "filter", Short: "f", To: &o.filters, Usage: "Show the events that match KEY=VALUE: container, event, image, label, type, volume"},
				{Name: "format", To: &o.format, Choices: []string{"json"}, Usage: "json (one object a line), or a Go template"},
				{Name: "no-trunc", To: &o.noTrunc, Usage: "Show whole ids"},
				{Name: "since", To: &o.since, Usage: "Start at this time: 2006-01-02T15:04:05, a Unix time, or 10m for ten minutes ago"},
				{Name: "stream", To: &o.stream, Usage: "Go on with what happens from now on"},
				{Name: "until", To: &o.until, Usage: "End at this time; 10m is in ten minutes, -10m was ten minutes ago"},
			}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			core, err := o.core(time.Now())
			if err != nil {
				return err
			}
			print, err := eventPrinter(app.Out, o.format, o.noTrunc)
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return eventReader(rt).Events(ctx, core, print)
		},
	}
}

// core translates the options.
func (o *eventsOptions) core(now time.Time) (c libpod.EventsOptions, err error) {
	c.Filters, c.Follow = o.filters, o.stream
	c.FromStart = !o.stream || o.since != "" || o.until != ""
	if o.since != "" {
		if c.Since, err = logs.ParseTime("--since", o.since, now); err != nil {
			return c, err
		}
	}
	if o.until != "" {
		if d, durationErr := time.ParseDuration(o.until); durationErr == nil {
			c.Until = now.Add(d) // as in Podman, a duration looks ahead here
			return c, nil
		}
		c.Until, err = logs.ParseTime("--until", o.until, now)
	}
	return c, err
}

// eventPrinter prints one event a line, each with one write.
func eventPrinter(w io.Writer, format string, full bool) (func(eventlog.Event) error, error) {
	f, err := render.ParseFormat(format)
	if err != nil {
		return nil, err
	}
	switch {
	case f.JSON():
		return func(e eventlog.Event) error {
			_, err := w.Write(append(e.AppendJSON(nil), '\n'))
			return err
		}, nil
	case f.Default():
		return func(e eventlog.Event) error {
			_, err := io.WriteString(w, render.Printable(eventText(&e, full))+"\n")
			return err
		}, nil
	}
	return func(e eventlog.Event) error { return render.One(w, f, e) }, nil
}

// eventText is an event in Podman's words.
func eventText(e *eventlog.Event, full bool) string {
	line := fmt.Sprintf("%s %s %s", e.When().Format("2006-01-02 15:04:05.999999999 -0700 MST"), e.Type, e.Status)
	switch e.Type {
	case eventlog.Container:
		line += " " + render.ID(e.ID, full) + " (image=" + e.Image + ", name=" + e.Name
		if e.HealthStatus != "" {
			line += ", health_status=" + e.HealthStatus
		}
		for _, k := range sortedKeys(e.Attributes) {
			line += ", " + k + "=" + e.Attributes[k]
		}
		line += ")"
	case eventlog.Image:
		line += " " + render.ID(e.ID, full) + " " + e.Name
	default:
		line += " " + e.Name
	}
	if e.Error != "" {
		line += " " + e.Error
	}
	return strings.TrimRight(line, " ")
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
