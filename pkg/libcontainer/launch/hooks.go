package launch

import (
	"context"
	"fmt"

	"github.com/manager-project/manager/pkg/libcontainer/hook"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// StageHook is the stage of a hook that failed; Path is then its program and Detail what it said.
const StageHook = "hook"

// Hooks are those that the parent runs, in its own namespaces, when the child says that its
// namespaces and mounts are there.
type Hooks struct {
	// State is what they read, but for status and pid.
	State plan.State `json:"state"`
	// Prestart run before CreateRuntime.
	Prestart      []plan.Hook `json:"prestart,omitempty"`
	CreateRuntime []plan.Hook `json:"create_runtime,omitempty"`
}

// runHooks answers MsgHooks.
func (c *Child) runHooks(ctx context.Context) error {
	h := c.hooks
	if h == nil {
		return &Failure{Stage: StageHook, Detail: "the child asked for hooks that it has not"}
	}
	state := h.State.With(plan.StatusCreating, c.pid)
	err := hook.RunAll(ctx, "prestart", h.Prestart, state)
	if err == nil {
		err = hook.RunAll(ctx, "createRuntime", h.CreateRuntime, state)
	}
	if err != nil {
		return &Failure{Stage: StageHook, Detail: err.Error()}
	}
	if _, err := c.sock.Write([]byte{MsgContinue}); err != nil {
		return fmt.Errorf("answer after hooks: %w", err)
	}
	return nil
}
