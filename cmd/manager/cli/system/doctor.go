package system

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/doctor"
	"github.com/manager-project/manager/libpod/image"
)

type doctorOptions struct {
	format       string
	fix, verbose bool
}

// Doctor is `manager doctor`.
func Doctor() *command.Command {
	var o doctorOptions
	return &command.Command{
		Use:   "doctor [options]",
		Short: "Find what keeps this machine from running containers, and say what cures it",
		Long: "Tries the whole way of a container, as the calling user: namespaces, subordinate ids, the store's file system, cgroups," +
			" the security modules, disk, clock, resolvers and registries. What is broken is listed with the commands that cure it, and the exit" +
			" code is then 1; of a healthy machine nothing is said. Nothing is changed without --fix. Under sudo, what the calling user needs from" +
			" root is looked at too.",
		Examples: `# Is all well?
manager doctor
# Let root do what the calling user needs
sudo manager doctor --fix
# What was looked at
manager doctor --verbose`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "fix", To: &o.fix, Usage: "Do the cures that are safe and can be undone, and say which"},
				{Name: "format", Short: "f", To: &o.format, Choices: []string{"json"}, Usage: "json, or a Go template"},
				{Name: "verbose", Short: "v", To: &o.verbose, Usage: "List what is well too"},
			}
		},
		Args:    command.NoArgs,
		Outside: true,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			f, err := render.ParseFormat(o.format)
			if err != nil {
				return err
			}
			var missing error
			if !image.HasTransfers {
				missing = becomeFull(app)
			}
			return examine(ctx, app, libpod.Doctor(app.Options), f, o, missing)
		},
	}
}

// becomeFull lets the program that can talk to registries take over. Other than for other commands, nothing is
// unpacked for that, and what fails is told with the rest.
func becomeFull(app *command.App) error {
	program, err := libpod.FullProgramInMemory(app.Options)
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }()
	return syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", program.Fd()), app.Args, append(os.Environ(), embedded.SelfVariable()))
}

func examine(ctx context.Context, app *command.App, e *doctor.Env, f render.Format, o doctorOptions, missing error) error {
	if missing != nil {
		e.Settings = append(e.Settings, doctor.Setting{Name: "the program for registries", Check: func() error { return missing }})
	}
	r := doctor.Examine(ctx, e)
	var failed error
	if o.fix {
		failed = doctor.Fix(ctx, e, r)
	}
	switch {
	case f.JSON():
		if err := render.JSON(app.Out, r); err != nil {
			return err
		}
	case !f.Default():
		if err := render.One(app.Out, f, r); err != nil {
			return err
		}
	default:
		fmt.Fprint(app.Out, doctorText(r, o.verbose))
	}
	if failed != nil || !r.Healthy {
		return command.ExitCode(1)
	}
	return nil
}

// signs begin the lines of findings.
var signs = map[doctor.Status]string{doctor.OK: "ok", doctor.Warn: "!", doctor.Broken: "x", doctor.Skipped: "-"}

// doctorText lists what was found. What comes from elsewhere cannot move the cursor.
func doctorText(r *doctor.Report, verbose bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(render.Printable(fmt.Sprintf(format, args...)) + "\n") }
	for i := range r.Findings {
		f := &r.Findings[i]
		if !verbose && (f.Status == doctor.OK || f.Status == doctor.Skipped) {
			continue
		}
		why := ""
		if f.Why != "" {
			why = ": " + f.Why
		}
		line("%s %s: %s%s", signs[f.Status], f.Probe, f.What, why)
		if f.Fixed != "" {
			line("    fixed: %s", f.Fixed)
			continue
		}
		if f.Failed != "" {
			line("    not fixed: %s", f.Failed)
		}
		word := "cure:"
		for _, c := range f.Cure {
			line("    %-5s %s", word, c)
			word = ""
		}
	}
	return b.String()
}
