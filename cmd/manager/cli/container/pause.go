package container

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
)

// pauser is what pause and unpause need of the core.
type pauser interface {
	selector
	Pause(ctx context.Context, id string) error
	Unpause(ctx context.Context, id string) error
}

// Pause is `manager pause`.
func Pause() *command.Command {
	var s libpod.Selection
	return &command.Command{
		Use:   "pause [options] CONTAINER [CONTAINER...]",
		Short: "Freeze all processes of containers",
		Examples: `# Freeze one container
manager pause web`,
		Flags:    func() []flags.Flag { return pauseFlags(&s, "Pause all running containers") },
		Complete: flags.CompleteRunning,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			return withChosen(ctx, app, &s, args, pause)
		},
	}
}

// Unpause is `manager unpause`.
func Unpause() *command.Command {
	var s libpod.Selection
	return &command.Command{
		Use:   "unpause [options] CONTAINER [CONTAINER...]",
		Short: "Let the processes of paused containers go on",
		Examples: `# Let one container go on
manager unpause web`,
		Flags:    func() []flags.Flag { return pauseFlags(&s, "Unpause all paused containers") },
		Complete: flags.CompleteRunning,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			return withChosen(ctx, app, &s, args, unpause)
		},
	}
}

func pauseFlags(s *libpod.Selection, all string) []flags.Flag {
	return []flags.Flag{allFlag(s, "a", all), cidfileFlag(s), filterFlag(s, "f"), latestFlag(s)}
}

func withChosen(ctx context.Context, app *command.App, s *libpod.Selection, args []string,
	do func(context.Context, *command.App, pauser, libpod.Selection) error,
) error {
	if err := chosen(s, args); err != nil {
		return err
	}
	rt, err := app.Runtime(ctx)
	if err != nil {
		return err
	}
	return do(ctx, app, rt, *s)
}

func pause(ctx context.Context, app *command.App, core pauser, s libpod.Selection) error {
	if s.All {
		s.Statuses = []define.Status{define.StatusRunning}
	}
	return each(ctx, app, core, s, func(id string) error { return core.Pause(ctx, id) })
}

func unpause(ctx context.Context, app *command.App, core pauser, s libpod.Selection) error {
	if s.All {
		s.Statuses = []define.Status{define.StatusPaused}
	}
	return each(ctx, app, core, s, func(id string) error { return core.Unpause(ctx, id) })
}
