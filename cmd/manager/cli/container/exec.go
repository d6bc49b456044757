package container

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/terminal"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
)

// executor is what exec needs of the core.
type executor interface {
	selector
	Exec(ctx context.Context, id string, o libpod.ExecOptions) (libpod.ExecReport, error)
}

type execOptions struct {
	libpod.ExecOptions
	latest      bool
	cidfile     string
	noSession   bool
	preserveFDs uint
	detachKeys  *string
}

// Exec is `manager exec`.
func Exec() *command.Command {
	var o execOptions
	return &command.Command{
		Use:   "exec [options] CONTAINER COMMAND [ARG...]",
		Short: "Run a command in a running container",
		Long:  "Runs a program inside a running container and waits for it, unless --detach is given. The exit code is the program's; 126 when it cannot be executed, 127 when it is not there.",
		Examples: `# Open a shell
manager exec -it web sh
# Run as another user in another directory
manager exec -u www -w /srv web ls`,
		Flags:          func() []flags.Flag { return execFlags(&o) },
		Args:           func(args []string) error { return execArgs(o, args) },
		Complete:       flags.CompleteRunning,
		NoInterspersed: true,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			name, err := execTarget(&o, args)
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return execIn(ctx, app, rt, name, o)
		},
	}
}

func execFlags(o *execOptions) []flags.Flag {
	keys := detachKeysFlag(&o.detachKeys, "")
	keys.Value = ""
	return []flags.Flag{
		{Name: "cidfile", To: &o.cidfile, Complete: flags.CompleteFiles, Usage: "Read the container's id from this file"},
		{Name: "detach", Short: "d", To: &o.Detach, Usage: "Run in the background and print the session's id"},
		keys,
		{Name: "env", Short: "e", To: &o.Env, Usage: "Set a variable KEY=VALUE, or take KEY from the host"},
		{Name: "env-file", To: &o.EnvFile, Complete: flags.CompleteFiles, Usage: "Read variables from a file, one a line"},
		{Name: "interactive", Short: "i", To: &o.Interactive, Usage: "Pass standard input on"},
		{Name: "latest", Short: "l", To: &o.latest, Usage: "Take the container that was made last"},
		{Name: "no-session", To: &o.noSession, Usage: "Keep no record of the session; without --detach none is kept anyway"},
		{Name: "preserve-fd", To: &o.PreserveFDs, Default: "[]", Usage: "Pass these open descriptors on"},
		{Name: "preserve-fds", To: &o.preserveFDs, Usage: "Pass this many descriptors on, counted from 3"},
		{Name: "privileged", To: &o.Privileged, Usage: "Give the process all capabilities"},
		{Name: "tty", Short: "t", To: &o.TTY, Usage: "Give the process a terminal"},
		{Name: "user", Short: "u", To: &o.User, Usage: "User or uid, and group or gid: USER[:GROUP]"},
		{Name: "workdir", Short: "w", To: &o.Workdir, Usage: "Working directory inside the container"},
	}
}

func execArgs(o execOptions, args []string) error {
	if o.latest || o.cidfile != "" {
		return command.AtLeast(1, "a command to run")(args)
	}
	return command.AtLeast(2, "a container and a command to run")(args)
}

// execTarget splits the arguments into container and command, and completes the options.
func execTarget(o *execOptions, args []string) (name string, err error) {
	invalid := func(op, text string) error {
		return &errdefs.Error{Op: op, Class: errdefs.ErrInvalid, Cause: errors.New(text)}
	}
	switch {
	case o.latest && o.cidfile != "":
		return "", invalid("--cidfile", "cannot go with --latest")
	case o.noSession && o.Detach:
		return "", invalid("--no-session", "cannot go with --detach: a process in the background needs its record")
	case o.latest:
		o.Command = args
	case o.cidfile != "":
		data, err := os.ReadFile(o.cidfile)
		if err != nil {
			return "", &errdefs.Error{Op: "--cidfile", Class: errdefs.ErrInvalid, Cause: err}
		}
		name, _, _ = strings.Cut(string(data), "\n")
		o.Command = args
	default:
		name, o.Command = args[0], args[1:]
	}
	for fd := uint(3); fd < 3+o.preserveFDs; fd++ {
		o.PreserveFDs = append(o.PreserveFDs, fd)
	}
	return strings.TrimSpace(name), nil
}

func execIn(ctx context.Context, app *command.App, core executor, name string, o execOptions) error {
	id, err := one(ctx, core, name, o.latest)
	if err != nil {
		return err
	}
	options := o.ExecOptions
	if !o.Detach {
		c := terminal.Config{Out: app.Out, Err: app.Err, TTY: o.TTY, SigProxy: !o.TTY, DetachKeys: detachKeys(o.detachKeys)}
		if o.Interactive {
			c.In = app.In
		}
		if o.TTY && o.Interactive && !terminal.IsTerminal(app.In) {
			app.Warn("the input device is not a terminal; the process's terminal gets its bytes as they are")
		}
		session, err := terminal.Open(c)
		if err != nil {
			return err
		}
		defer session.Close()
		options.Streams = &session.Streams
	}
	report, err := core.Exec(ctx, id, options)
	switch {
	case err != nil:
		return err
	case o.Detach:
		app.Println(report.SessionID)
	case !report.Detached && report.ExitCode != 0:
		return command.ExitCode(report.ExitCode)
	}
	return nil
}
