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
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/criu"
)

// checkpointer is what checkpoint and restore need of the core.
type checkpointer interface {
	selector
	Checkpoint(ctx context.Context, id string, o libpod.CheckpointOptions) (libpod.CheckpointReport, error)
	Restore(ctx context.Context, id string, o libpod.RestoreOptions) (libpod.CheckpointReport, error)
	RestoreArchive(ctx context.Context, o libpod.ImportOptions) (libpod.CheckpointReport, error)
}

// Checkpoint is `manager container checkpoint`.
func Checkpoint() *command.Command {
	var s libpod.Selection
	o := libpod.CheckpointOptions{Export: libpod.ExportOptions{Compress: "zstd"}}
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
				{Name: "compress", Short: "c", To: &o.Export.Compress, Choices: []string{"gzip", "none", "zstd"}, Usage: "Compression of the archive: gzip, none or zstd"},
				{Name: "create-image", Type: "string", Unsupported: "images of checkpoints are not available in this version"},
				{Name: "export", Short: "e", To: &o.Export.Path, Complete: flags.CompleteFiles, Usage: "Put the checkpoint into this file, to restore it elsewhere"},
				{Name: "file-locks", To: &o.FileLocks, Usage: "Allow file locks"},
				{Name: "ignore-rootfs", To: &o.Export.IgnoreRootfs, Usage: "Leave changes of the root filesystem out of the archive"},
				{Name: "ignore-volumes", To: &o.Export.IgnoreVolumes, Usage: "Leave the content of volumes out of the archive"},
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
			if err := checkCheckpoint(&s, &o, app.Changed, args); err != nil {
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
	var i libpod.ImportOptions
	var printStats, ignored bool
	pods, ports := "there are no pods in this version", "published ports are not available in this version"
	return &command.Command{
		Use:   "restore [options] CONTAINER|IMAGE [CONTAINER|IMAGE...]",
		Short: "Let containers go on from their checkpoints",
		Long: `Lets the processes of containers go on where "manager container checkpoint" has written them to images. Needs root,
and the program criu. An imported archive gets no more than "manager create" gives without options; but what its
processes are is up to its images, so import only what people made whom you would give root to.`,
		Examples: `# Go on, and keep the images to do so again
manager container restore --keep web
# Go on from a file, maybe of another machine
manager container restore --import web.tar.zst --name web2`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				allFlag(&s, "a", "Take all containers that have ended"),
				{Name: "file-locks", To: &o.FileLocks, Usage: "Allow file locks"},
				{Name: "ignore-rootfs", To: &i.IgnoreRootfs, Usage: "Leave the root filesystem as the image has it"},
				{Name: "ignore-static-ip", To: &ignored, Usage: "Use no fixed address; this version gives none"},
				{Name: "ignore-static-mac", To: &ignored, Usage: "Use no fixed hardware address; this version gives none"},
				{Name: "ignore-volumes", To: &i.IgnoreVolumes, Usage: "Use volumes as they are, or begin with new ones"},
				{Name: "import", Short: "i", To: &i.Path, Complete: flags.CompleteFiles, Usage: "Make a container of this file of checkpoint --export"},
				{Name: "import-previous", To: &i.Previous, Complete: flags.CompleteFiles, Usage: "File of the pre-checkpoint that the imported one needs"},
				{Name: "keep", Short: "k", To: &o.Keep, Usage: "Keep the images, and CRIU's log and counts"},
				latestFlag(&s),
				{Name: "name", Short: "n", To: &i.Name, Usage: "Name the imported container"},
				{Name: "pod", Type: "string", Unsupported: pods},
				{Name: "print-stats", To: &printStats, Usage: "Print how long it took, as JSON"},
				{Name: "publish", Short: "p", Type: "strings", Default: "[]", Unsupported: ports},
				{Name: "tcp-close", To: &o.TCPClose, Usage: "Close the TCP connections of the images"},
				{Name: "tcp-established", To: &o.TCPEstablished, Usage: "Go on with open TCP connections"},
			}
		},
		Complete:  flags.CompleteContainers,
		Transfers: true,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if err := checkRestore(&s, &i, args); err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			if i.Path != "" {
				i.RestoreOptions = o
				return restoreArchive(ctx, app, rt, i, printStats)
			}
			if s.All {
				s.Statuses = []define.Status{define.StatusExited}
			}
			return eachTimed(ctx, app, rt, s, printStats, restoreWords, func(id string) (libpod.CheckpointReport, error) {
				return rt.Restore(ctx, id, o)
			})
		},
	}
}

var restoreWords = statsWords{"podman_restore_duration", "runtime_restore_duration"}

// checkCheckpoint refuses options that do not go together.
func checkCheckpoint(s *libpod.Selection, o *libpod.CheckpointOptions, given map[string]bool, args []string) error {
	if o.Export.Path == "" {
		for _, option := range []string{"compress", "ignore-rootfs", "ignore-volumes"} {
			if given[option] {
				return errdefs.Invalid("--"+option, "", "it is about archives").WithHint("add --export FILE, or leave it out")
			}
		}
	} else if s.All || len(args) > 1 {
		return errdefs.Invalid("--export", o.Export.Path, "one file takes one container").WithHint("name one container")
	}
	return chosen(s, args)
}

// checkRestore is that for restore.
func checkRestore(s *libpod.Selection, i *libpod.ImportOptions, args []string) error {
	if i.Path == "" {
		for option, given := range map[string]bool{
			"--import-previous": i.Previous != "", "--name": i.Name != "", "--ignore-rootfs": i.IgnoreRootfs, "--ignore-volumes": i.IgnoreVolumes,
		} {
			if given {
				return errdefs.Invalid(option, "", "it is about archives").WithHint("add --import FILE, or leave it out")
			}
		}
		return chosen(s, args)
	}
	if len(args) > 0 || s.All || s.Latest {
		return errdefs.Invalid("--import", i.Path, "it takes no containers").WithHint("leave them out; --name names the new one")
	}
	return nil
}

// restoreArchive restores from a file.
func restoreArchive(ctx context.Context, app *command.App, core checkpointer, i libpod.ImportOptions, printStats bool) error {
	began := time.Now()
	report, err := core.RestoreArchive(ctx, i)
	if err != nil {
		return err
	}
	if !printStats {
		app.Println(report.ID)
		return nil
	}
	return printTimes(app, restoreWords, began, report)
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
	var reports []libpod.CheckpointReport
	for _, t := range found {
		report, err := do(t.id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		reports = append(reports, report)
	}
	return errors.Join(append(errs, printTimes(app, words, began, reports...))...)
}

// printTimes prints what it took under Podman's names.
func printTimes(app *command.App, words statsWords, began time.Time, reports ...libpod.CheckpointReport) error {
	list := []map[string]any{}
	for _, r := range reports {
		counts := r.CRIU
		if counts == nil {
			counts = criu.Stats{}
		}
		list = append(list, map[string]any{"Id": r.ID, words.runtime: r.Runtime, "criu_statistics": counts})
	}
	return render.JSON(app.Out, map[string]any{words.whole: time.Since(began).Microseconds(), "container_statistics": list})
}
