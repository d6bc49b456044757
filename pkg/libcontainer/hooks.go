package libcontainer

import (
	"context"
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/libcontainer/hook"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// laterHooks are the hooks that are run by whoever starts and deletes the container, as they were at
// create. The others are the launch's.
type laterHooks struct {
	Poststart []plan.Hook `json:"poststart,omitempty"`
	Poststop  []plan.Hook `json:"poststop,omitempty"`
}

// isHook says that an error is a hook's, which ends the container.
func isHook(err error) bool {
	var f *launch.Failure
	return errors.As(err, &f) && f.Stage == launch.StageHook
}

// state is what hooks and the receiver of a seccomp listener read, but for status and pid.
func (c *Container) state() plan.State {
	r := &c.record
	return plan.State{Version: specs.Version, ID: r.ID, Bundle: r.Bundle, Annotations: r.Annotations}
}

func (c *Container) poststart() error {
	h := c.record.Hooks.to
	if h == nil {
		return nil
	}
	err := hook.RunAll(context.Background(), "poststart", h.Poststart, c.state().With(plan.StatusRunning, c.record.PID))
	if err != nil {
		return &launch.Failure{Stage: launch.StageHook, Detail: err.Error()}
	}
	return nil
}

// poststop runs when nothing of the container is left. A failure is a warning.
func (c *Container) poststop() {
	h := c.record.Hooks.to
	if h == nil {
		return
	}
	for _, err := range hook.RunEach(context.Background(), "poststop", h.Poststop, c.state().With(plan.StatusStopped, 0)) {
		c.Warnings = append(c.Warnings, err.Error())
	}
}
