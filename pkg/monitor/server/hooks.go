package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/hook"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// poststart runs the hooks of a program that runs. A failure ends the container.
func (s *server) poststart() error {
	if len(s.cfg.Poststart) == 0 {
		return nil
	}
	state := s.cfg.HookState.With(plan.StatusRunning, s.child.PID())
	err := hook.RunAll(context.Background(), "poststart", s.cfg.Poststart, state)
	if err == nil {
		return nil
	}
	_ = s.child.Signal(unix.SIGKILL)
	return &launch.Failure{Stage: launch.StageHook, Detail: err.Error()}
}
