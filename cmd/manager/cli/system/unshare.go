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
manager unshare nsenter --net --target $(manager inspect --format '{{.State.Pid}}' web) ip address

# Try a server where nobody else's ports are
manager unshare --rootless-netns`,
		Flags: func() []flags.Flag {
			return []flags.Flag{{Name: "rootless-netns", To: &netns, Usage: "Run it in a network that these commands of the user share, as a container has one, and end that with the last of them"}}
		},
		NoInterspersed: true,
		Outside:        true,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if !rootless.Active() {
				return errdefs.Unsupported("unshare", "root has no user namespace of manager's to join").WithHint("run it as an ordinary user")
			}
			if err := app.Join(); err != nil {
				return err
			}
			if netns {
				return inSharedNetwork(ctx, app, orShell(args))
			}
			return become(orShell(args))
		},
	}
}

// orShell is the user's shell where no program is named.
func orShell(args []string) []string {
	if len(args) > 0 {
		return args
	}
	if shell := os.Getenv("SHELL"); shell != "" {
		return []string{shell}
	}
	return []string{"/bin/sh"}
}

// become executes a program in place of this one.
func become(args []string) error {
	path, err := exec.LookPath(args[0])
	if err == nil {
		err = syscall.Exec(path, args, os.Environ())
	}
	return cannotRun(args[0], err)
}

// cannotRun says why a program was not started.
func cannotRun(name string, err error) error {
	e := &errdefs.Error{Op: "run", Kind: "program", Name: name, Class: errdefs.ErrNotExecutable, Cause: err}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		e.Class = errdefs.ErrNoProgram
	}
	return e.WithHint("check its spelling and $PATH")
}
