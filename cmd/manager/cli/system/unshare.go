package system

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/rootless"
)

// Unshare is `manager unshare`.
func Unshare() *command.Command {
	var netns bool
	return &command.Command{
		Use:   "unshare [options] [COMMAND [ARG...]]",
		Short: "Run a program in the user's own user and mount namespaces",
		Long:  "Run a program, or a shell, in the user and mount namespaces in which manager works for an ordinary user: there the user is root, the files of images and volumes have their owners, and mounted images are seen.",
		Examples: `# What belongs to whom in a volume
manager unshare ls -ln ~/.local/share/containers/storage/volumes/data/_data

# Give a directory to the container's user 1000
manager unshare chown -R 1000:1000 ./data

# Look at the network of a container
manager unshare nsenter --net --target $(manager inspect --format '{{.State.Pid}}' web) ip address`,
		Flags: func() []flags.Flag {
			return []flags.Flag{{Name: "rootless-netns", To: &netns, Usage: "Refused: there is no network namespace that a user's containers share, each has its own"}}
		},
		NoInterspersed: true,
		Outside:        true,
		Run: func(_ context.Context, app *command.App, args []string) error {
			if !rootless.Active() {
				return errdefs.Unsupported("unshare", "root has no user namespace of manager's to join").WithHint("run it as an ordinary user")
			}
			if netns {
				return errdefs.Unsupported("--rootless-netns", "there is no network namespace that a user's containers share: each has its own").
					WithHint(`that of one is entered by "manager unshare nsenter --net --target $(manager inspect --format '{{.State.Pid}}' CONTAINER) COMMAND"`)
			}
			if err := app.Join(); err != nil {
				return err
			}
			return become(args)
		},
	}
}

// become executes a program in place of this one.
func become(args []string) error {
	if len(args) == 0 {
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		args = []string{shell}
	}
	path, err := exec.LookPath(args[0])
	if err == nil {
		err = syscall.Exec(path, args, os.Environ())
	}
	e := &errdefs.Error{Op: "run", Kind: "program", Name: args[0], Class: errdefs.ErrNotExecutable, Cause: err}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		e.Class = errdefs.ErrNoProgram
	}
	return e.WithHint("check its spelling and $PATH")
}
