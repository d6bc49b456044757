package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
)

// whyTeller is what why needs of the core.
type whyTeller interface {
	selector
	Why(ctx context.Context, word string) (*libpod.WhyReport, error)
}

// Why is `manager why`.
func Why() *command.Command {
	var (
		format string
		latest bool
	)
	return &command.Command{
		Use:   "why [options] CONTAINER [CONTAINER...]",
		Short: "Say why containers ended",
		Long: "Says why a container ended, when, after what time, what its memory limit and the last lines of its log were, and what to do;" +
			" and how its starts before ended. Of a container that was removed, or was run with --rm, it can tell for a day.",
		Examples: `# Why is it gone?
manager why web
# The cause in one word: exit, signal, oom, timeout, health, stop, kill, restart, rm, start-failed, monitor-lost, reboot
manager why --format '{{.End.Cause}}' web`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "format", Short: "f", To: &format, Choices: []string{"json"}, Usage: "json, or a Go template"},
				{Name: "latest", Short: "l", To: &latest, Usage: "Take the container that was made last"},
			}
		},
		Args:     latestOr(&latest, 1, "a container name or id, or --latest"),
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			f, err := render.ParseFormat(format)
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return why(ctx, app, rt, f, args, latest)
		},
	}
}

func why(ctx context.Context, app *command.App, core whyTeller, f render.Format, words []string, latest bool) error {
	if latest {
		ids, err := core.Select(ctx, libpod.Selection{Latest: true})
		if err != nil {
			return err
		}
		words = ids
	}
	var (
		reports = []*libpod.WhyReport{}
		errs    []error
	)
	for _, word := range words {
		w, err := core.Why(ctx, word)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		reports = append(reports, w)
	}
	switch {
	case f.JSON():
		errs = append(errs, render.JSON(app.Out, reports))
	case !f.Default():
		for _, w := range reports {
			errs = append(errs, render.One(app.Out, f, w))
		}
	default:
		for _, w := range reports {
			_, err := io.WriteString(app.Out, whyText(w, time.Now()))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// whyText is the story in a few lines. What the container wrote cannot move the cursor.
func whyText(w *libpod.WhyReport, now time.Time) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(render.Printable(fmt.Sprintf(format, args...)) + "\n") }
	switch {
	case w.StartedAt != nil:
		line("%s is %s. It was started %s.", w.Name, w.State, lower(render.Age(*w.StartedAt, now)))
		if w.Unmonitored {
			line("  Its monitor was killed: nobody will see how it ends, nor keep its log. Restart it when you can.")
		}
	case w.End == nil:
		line("%s is %s, and was never started.", w.Name, w.State)
		line("  Next: manager start %s", w.Name)
	default:
		line("%s: %s", w.Name, w.End.Summary)
		for _, sentence := range append([]string{whenEnded(w.End, now)}, w.End.Details...) {
			line("  %s", sentence)
		}
		if len(w.Log) > 0 {
			line("  The last lines of its log:")
		}
		for _, text := range w.Log {
			line("    %s", text)
		}
		if w.End.Next != "" {
			line("  Next: %s", w.End.Next)
		}
	}
	if len(w.Previous) > 0 {
		line("  Before that:")
	}
	for i := range w.Previous {
		p := &w.Previous[i]
		line("    %s  %s%s", render.Age(p.FinishedAt, now), p.Summary, ran(p, ", after "))
	}
	return b.String()
}

// whenEnded says when and after what time.
func whenEnded(e *libpod.WhyEnd, now time.Time) string {
	verb := "ended"
	if e.StartedAt.IsZero() {
		verb = "failed"
	}
	s := fmt.Sprintf("It %s %s (%s)%s", verb, lower(render.Age(e.FinishedAt, now)), e.FinishedAt.Local().Format("2006-01-02 15:04:05 -0700"), ran(e, ", after "))
	switch {
	case e.ExitCode < 0:
		return s + "; its exit code is not known."
	default:
		return s + fmt.Sprintf(", with exit code %d.", e.ExitCode)
	}
}

// lower is a phrase in the middle of a sentence.
func lower(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// ran is how long the program ran, after some words; nothing if it never did.
func ran(e *libpod.WhyEnd, words string) string {
	if e.StartedAt.IsZero() || e.FinishedAt.Before(e.StartedAt) {
		return ""
	}
	d := e.FinishedAt.Sub(e.StartedAt)
	if d < 10*time.Second {
		return words + d.Round(time.Millisecond).String()
	}
	return words + lower(render.Span(d))
}
