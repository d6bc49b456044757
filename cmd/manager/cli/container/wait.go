package container

import (
	"context"
	"errors"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
)

// waiter is what wait needs of the core.
type waiter interface {
	selector
	Wait(ctx context.Context, id string, o libpod.WaitOptions) (int, error)
}

type waitOptions struct {
	selection  libpod.Selection
	conditions []string
	firstMatch bool
	interval   string
}

// Wait is `manager wait`.
func Wait() *command.Command {
	o := waitOptions{interval: "250ms"}
	return &command.Command{
		Use:   "wait [options] CONTAINER [CONTAINER...]",
		Short: "Wait until containers have ended",
		Long:  "Waits until each container has ended, or is in one of the named states, and prints its exit code; -1 for a container that has none.",
		Examples: `# Print the exit code of a job
manager wait job
# Wait until a container runs
manager wait --condition running web`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "condition", To: &o.conditions, Split: true, Choices: conditions, Usage: "States to wait for"},
				{Name: "exit-first-match", To: &o.firstMatch, Usage: "End when the first of the containers is there"},
				{Name: "ignore", To: &o.selection.Ignore, Usage: "Pass over names that do not exist, printing -1"},
				{Name: "interval", Short: "i", To: &o.interval, Usage: "Pause between two looks where nothing announces a change: a duration, or milliseconds"},
				latestFlag(&o.selection),
			}
		},
		Args:     latestOr(&o.selection.Latest, 1, "a container name or id, or --latest"),
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			o.selection.Names = args
			core, err := o.coreOptions()
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return wait(ctx, app, rt, o, core)
		},
	}
}

// conditions are the words of --condition.
var conditions = []string{"configured", "created", "exited", "healthy", "initialized", "paused", "removing", "running", "stopped", "stopping", "removed", "unhealthy"}

func (o waitOptions) coreOptions() (libpod.WaitOptions, error) {
	var w libpod.WaitOptions
	for _, c := range o.conditions {
		known := false
		for _, k := range conditions {
			known = known || c == k
		}
		if !known {
			hint := "the states are created, running, paused, stopping, stopped, exited, removing, removed, healthy, unhealthy"
			return w, errdefs.Invalid("--condition", c, "no such state").WithHint("%s", hint)
		}
		w.Conditions = append(w.Conditions, libpod.WaitCondition(c))
	}
	d, err := time.ParseDuration(o.interval)
	if err != nil {
		d, err = time.ParseDuration(o.interval + "ms")
	}
	if err != nil || d <= 0 {
		return w, errdefs.Invalid("--interval", o.interval, "must be a duration such as 250ms")
	}
	w.Interval = d
	return w, nil
}

func wait(ctx context.Context, app *command.App, core waiter, o waitOptions, w libpod.WaitOptions) error {
	found, errs := targets(ctx, core, o.selection)
	if o.selection.Ignore {
		for range len(o.selection.Names) - len(found) - len(errs) {
			app.Println(-1)
		}
	}
	if o.firstMatch && len(found) > 1 {
		code, err := waitFirst(ctx, core, found, w)
		if err == nil {
			app.Println(code)
		}
		return errors.Join(append(errs, err)...)
	}
	for _, t := range found {
		code, err := core.Wait(ctx, t.id, w)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		app.Println(code)
	}
	return errors.Join(errs...)
}

// waitFirst returns the exit code of the container that is there first.
func waitFirst(ctx context.Context, core waiter, found []target, w libpod.WaitOptions) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		code int
		err  error
	}
	results := make(chan result, len(found))
	for _, t := range found {
		go func() {
			code, err := core.Wait(ctx, t.id, w)
			results <- result{code, err}
		}()
	}
	r := <-results
	return r.code, r.err
}
