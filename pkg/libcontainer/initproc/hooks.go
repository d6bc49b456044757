package initproc

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/hook"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// createHooks lets the parent run its hooks and then runs those of the container's namespaces: mounts
// and devices are there, the host's tree is still "/", and nothing is read-only yet.
func (in *initializer) createHooks() *launch.Failure {
	h := in.Hooks
	if h == nil {
		return nil
	}
	if h.Parent {
		if err := in.parent.ask(launch.MsgHooks, launch.MsgContinue); err != nil {
			return failure(launch.StageHook, "", err)
		}
	}
	return runHooks("createContainer", h.CreateContainer, h.State.With(plan.StatusCreating, os.Getpid()))
}

// startHooks runs the hooks that are the last before the program.
func (in *initializer) startHooks() *launch.Failure {
	if in.Hooks == nil {
		return nil
	}
	return runHooks("startContainer", in.Hooks.StartContainer, in.Hooks.State.With(plan.StatusCreated, os.Getpid()))
}

func runHooks(kind string, hooks []plan.Hook, state plan.State) *launch.Failure {
	if err := hook.RunAll(context.Background(), kind, hooks, state); err != nil {
		var errno syscall.Errno
		_ = errors.As(err, &errno) // its text is in the error's
		return explain(launch.StageHook, "", errno, err.Error())
	}
	return nil
}
