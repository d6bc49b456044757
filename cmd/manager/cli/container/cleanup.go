package container

import (
	"context"
	"errors"
	"os"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
)

// cleaner is what cleanup needs of the core.
type cleaner interface {
	selector
	inspector
	Cleanup(ctx context.Context, id string, generation uint64, remove bool) error
	RestartByPolicy(ctx context.Context, id string, generation uint64, predecessor *os.File) error
	CompressLog(ctx context.Context, id string) error
	CallOffRestart(ctx context.Context, id string, generation uint64) error
}

type cleanupOptions struct {
	selection  libpod.Selection
	generation uint64
	remove     bool
	restart    bool
	callOff    bool
	compress   bool
}

// Cleanup is `manager container cleanup`. The monitor calls it when a container has ended
// and no client is there.
func Cleanup() *command.Command {
	var o cleanupOptions
	return &command.Command{
		Use:   "cleanup [options] CONTAINER [CONTAINER...]",
		Short: "Undo the mounts of containers that have ended",
		Long:  "Unmounts what a start mounted and records the exit. Every command does this by itself for the containers it meets, so that it need not be called by hand.",
		Examples: `# Clean up after all containers that have ended
manager container cleanup --all`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&o.selection, "a", "Clean up after all containers that have ended"),
				{Name: "call-off", To: &o.callOff, Hidden: true, Usage: "Do not start the container again"},
				{Name: "compress-log", To: &o.compress, Hidden: true, Usage: "Compress the log file that was rotated"},
				{Name: "exec", Type: "string", Unsupported: "exec sessions leave nothing to clean up"},
				{Name: "generation", To: &o.generation, Hidden: true, Usage: "The start to clean up after; 0 is the last"},
				latestFlag(&o.selection),
				{Name: "restart", To: &o.restart, Hidden: true, Usage: "Start the container again if its restart policy says so"},
				{Name: "rm", To: &o.remove, Usage: "Remove the container then"},
				{Name: "rmi", Type: "bool", Unsupported: "use rmi once the container is removed"},
			}
		},
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if err := chosen(&o.selection, args); err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return cleanup(ctx, app, rt, o)
		},
	}
}

func cleanup(ctx context.Context, app *command.App, core cleaner, o cleanupOptions) error {
	err := each(ctx, app, core, o.selection, func(id string) error {
		if o.compress {
			return core.CompressLog(ctx, id)
		}
		generation := o.generation
		if generation == 0 {
			record, err := core.Inspect(ctx, id)
			if err != nil {
				return err
			}
			if o.selection.All && record.State.Status.Live() {
				return nil
			}
			generation = record.State.Generation
		}
		switch {
		case o.callOff:
			return core.CallOffRestart(ctx, id, generation)
		case o.restart:
			return core.RestartByPolicy(ctx, id, generation, app.In)
		}
		return core.Cleanup(ctx, id, generation, o.remove)
	})
	if o.generation != 0 && errors.Is(err, errdefs.ErrNotFound) {
		return nil // removed meanwhile: nothing is left to clean up
	}
	return err
}
