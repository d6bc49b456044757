package libpod

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/journal"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// explainLaunch says in the user's words why a container's process did not come to be; op is
// "start" or "exec in". The class decides the exit code: the child sent facts, no text is searched.
func explainLaunch(op, name string, err error) error {
	var known *errdefs.Error
	if errors.As(err, &known) && known.Op != "" && known.Kind == "container" {
		return err
	}
	e := &errdefs.Error{Op: op, Kind: "container", Name: name, Cause: err, Hint: errdefs.Hint(err)}
	if e.Hint == "" && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		e.Class, e.Hint = errdefs.ErrUnavailable, "free space there"
	}
	var f *launch.Failure
	if !errors.As(err, &f) {
		return e
	}
	switch f.ExitCode() {
	case define.ExitNotFound:
		e.Class = errdefs.ErrNoProgram
		e.Cause = fmt.Errorf("exec %q: %s", f.Path, notFoundText(f))
		e.Hint = "check the command's spelling and that the image has it"
	case define.ExitNotExecutable:
		e.Class = errdefs.ErrNotExecutable
		e.Cause = fmt.Errorf("exec %q: %s", f.Path, reason(f))
		e.Hint = notExecutableHint(f)
	default:
		e.Class = errdefs.ErrUnavailable
		if errors.Is(f, syscall.EPERM) || errors.Is(f, syscall.EACCES) {
			e.Class = errdefs.ErrPermission
		}
		if e.Hint == "" {
			e.Hint = stageHint(f)
		}
	}
	return e
}

func reason(f *launch.Failure) string {
	if f.Detail != "" {
		return f.Detail
	}
	return f.Errno.Error()
}

func notFoundText(f *launch.Failure) string {
	if f.Detail != "" {
		return f.Detail
	}
	for _, c := range f.Path {
		if c == '/' {
			return f.Errno.Error()
		}
	}
	return "executable file not found in $PATH"
}

func notExecutableHint(f *launch.Failure) string {
	switch f.Errno {
	case syscall.ENOEXEC:
		return "it is a program for another architecture, or a script without \"#!\""
	case syscall.EISDIR:
		return "name a program"
	}
	return "make it executable in the image, or name another command"
}

// stageHint is the next step for the failures that users cause.
func stageHint(f *launch.Failure) string {
	switch f.Stage {
	case "hook":
		return "look at the hook's own messages"
	case "mount", "bind":
		return "check the mount's source and destination"
	case "cwd", "workdir":
		return "choose a directory of the image with --workdir"
	case "--pidfile":
		return "name a file in a directory that exists"
	case "log":
		if f.Path == journal.Socket {
			return "start systemd-journald; a container that does not need it is made with --log-driver k8s-file"
		}
		return "make the directory, or name another file with --log-opt path="
	case "apparmor profile":
		return "have root load it with apparmor_parser, or name one that is loaded with --security-opt apparmor="
	case "selinux label":
		return "name a label that the policy has and this program may give, or give --security-opt label=disable"
	case "sysctl":
		return "leave the --sysctl out, or check its name"
	case "rlimit":
		return "choose a --ulimit within the host's hard limit"
	}
	return "run it with --log-level debug to see each step"
}
