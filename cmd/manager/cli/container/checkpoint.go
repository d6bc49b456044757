package container

import (
	"context"
	"errors"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/libcontainer/criu"
)

// checkpointer is what checkpoint and restore need of the core.
type checkpointer interface {
	selector
	Checkpoint(ctx context.Context, id string, o libpod.CheckpointOptions) (libpod.CheckpointReport, error)
	Restore(ctx context.Context, id string, o libpod.RestoreOptions) (libpod.CheckpointReport, error)
}

// noArchives is why images stay on this machine.
const noArchives = "archives of checkpoints are not available in this version; restore works on the machine that made the checkpoint"

// Checkpoint is `manager container checkpoint`.
func Checkpoint() *command.Command {
	var s libpod.Selection
	var o libpod.CheckpointOptions
	var printStats bool
	return &command.Command{
		Use:   "checkpoint [options] CONTAINER [CONTAINER...]",
		Short: "Write the processes of containers to images, to let them go on later",
		Long: `Writes the processes of running containers to images, with CRIU. The containers have ended then, unless they are left
running; "manager container restore" lets them go on where they were. Needs root, and the program criu.`,
		Examples: `# Stop now, go on after the next boot
manager container checkpoint web
manager container restore web
# Most of the memory while it runs, then what has changed since
manager container checkpoint --pre-checkpoint web
manager container checkpoint --with-previous web`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&s, "a", "Take all running containers"),
				{Name: "compress", Short: "c", Type: "string", Default: "zstd", Unsupported: noArchives},
				{Name: "create-image", Type: "string", Unsupported: "images of checkpoints are not available in this version"},
				{Name: "export", Short: "e", Type: "string", Unsupported: noArchives},
				{Name: "file-locks", To: &o.FileLocks, Usage: "Allow file locks"},
				{Name: "ignore-rootfs", Type: "bool", Unsupported: noArchives},
				{Name: "ignore-volumes", Type: "bool", Unsupported: noArchives},
				{Name: "keep", Short: "k", To: &o.Keep, Usage: "Keep CRIU's log and counts"},
				latestFlag(&s),
				{Name: "leave-running", Short: "R", To: &o.LeaveRunning, Usage: "Let the containers run on"},
				{Name: "pre-checkpoint", Short: "P", To: &o.PreCheckpoint, Usage: "Write memory only and let the containers run on"},
				{Name: "print-stats", To: &printStats, Usage: "Print how long it took, as JSON"},
				{Name: "tcp-established", To: &o.TCPEstablished, Usage: "Allow open TCP connections"},
				{Name: "with-previous", To: &o.WithPrevious, Usage: "Write what has changed since --pre-checkpoint"},
			}
		},
		Complete: flags.CompleteRunning,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if err := chosen(&s, args); err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			if s.All {
				s.Statuses = []define.Status{define.StatusRunning}
			}
			words := statsWords{"podman_checkpoint_duration", "runtime_checkpoint_duration"}
			return eachTimed(ctx, app, rt, s, printStats, words, func(id string) (libpod.CheckpointReport, error) {
				return rt.Checkpoint(ctx, id, o)
			})
		},
	}
}

// Restore is `manager container restore`.
func Restore() *command.Command {
	var s libpod.Selection
	var o libpod.RestoreOptions
	var printStats, ignored bool
	pods, ports := "there are no pods in this version", "published ports are not available in this version"
	return &command.Command{
		Use:   "restore [options] CONTAINER [CONTAINER...]",
		Short: "Let containers go on from their checkpoints",
		Long: `Lets the processes of containers go on where "manager container checkpoint" has written them to images. Needs root,
and the program criu.`,
		Examples: `# Go on, and keep the images to do so again
manager container restore --keep web`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&s, "a", "Take all containers that have ended"),
				{Name: "file-locks", To: &o.FileLocks, Usage: "Allow file locks"},
				{Name: "ignore-rootfs", Type: "bool", Unsupported: noArchives},
				{Name: "ignore-static-ip", To: &ignored, Usage: "Use no fixed address; this version gives none"},
				{Name: "ignore-static-mac", To: &ignored, Usage: "Use no fixed hardware address; this version gives none"},
				{Name: "ignore-volumes", Type: "bool", Unsupported: noArchives},
				{Name: "import", Short: "i", Type: "string", Unsupported: noArchives},
				{Name: "import-previous", Type: "string", Unsupported: noArchives},
				{Name: "keep", Short: "k", To: &o.Keep, Usage: "Keep the images, and CRIU's log and counts"},
				latestFlag(&s),
				{Name: "name", Short: "n", Type: "string", Unsupported: noArchives},
				{Name: "pod", Type: "string", Unsupported: pods},
				{Name: "print-stats", To: &printStats, Usage: "Print how long it took, as JSON"},
				{Name: "publish", Short: "p", Type: "strings", Default: "[]", Unsupported: ports},
				{Name: "tcp-close", To: &o.TCPClose, Usage: "Close the TCP connections of the images"},
				{Name: "tcp-established", To: &o.TCPEstablished, Usage: "Go on with open TCP connections"},
			}
		},
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if err := chosen(&s, args); err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			if s.All {
				s.Statuses = []define.Status{define.StatusExited}
			}
			words := statsWords{"podman_restore_duration", "runtime_restore_duration"}
			return eachTimed(ctx, app, rt, s, printStats, words, func(id string) (libpod.CheckpointReport, error) {
				return rt.Restore(ctx, id, o)
			})
		},
	}
}

// statsWords are Podman's names for the whole time and the runtime's.
type statsWords struct{ whole, runtime string }

// eachTimed is each for what can print what it took in place of names.
func eachTimed(ctx context.Context, app *command.App, core selector, s libpod.Selection, printStats bool, words statsWords,
	do func(id string) (libpod.CheckpointReport, error),
) error {
	if !printStats {
		return each(ctx, app, core, s, func(id string) error {
			_, err := do(id)
			return err
		})
	}
	began := time.Now()
	found, errs := targets(ctx, core, s)
	list := []map[string]any{}
	for _, t := range found {
		report, err := do(t.id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		counts := report.CRIU
		if counts == nil {
			counts = criu.Stats{}
		}
		list = append(list, map[string]any{"Id": report.ID, words.runtime: report.Runtime, "criu_statistics": counts})
	}
	all := map[string]any{words.whole: time.Since(began).Microseconds(), "container_statistics": list}
	return errors.Join(append(errs, render.JSON(app.Out, all))...)
}
