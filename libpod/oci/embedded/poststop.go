package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/hook"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// poststopDir is the directory of the bundle that holds the poststop hooks still to run, a file each. A hook's
// file is removed right before the hook is run: so whoever cleans up after whom, and wherever one of them is
// killed, no hook runs twice, and lost is at most the one that was about to begin. Removing a file works on
// a full disk too.
const poststopDir = "poststop"

// owedHook is what such a file holds.
type owedHook struct {
	Hook  plan.Hook  `json:"hook"`
	State plan.State `json:"state"`
}

// owePoststop notes the hooks before the container's first process is there.
func owePoststop(bundle string, h *compile.Handles) error {
	if len(h.Poststop) == 0 {
		return nil
	}
	dir := filepath.Join(bundle, poststopDir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for i, p := range h.Poststop {
		raw, err := json.Marshal(owedHook{p, h.State})
		if err != nil {
			return err
		}
		// The names are read in their order.
		if err := atomicfile.Write(filepath.Join(dir, fmt.Sprintf("%06d", i)), raw, 0o600, atomicfile.Volatile); err != nil {
			return err
		}
	}
	return nil
}

// Finish implements oci.Finisher.
func (r *Runtime) Finish(ctx context.Context, l oci.Leftover) []error {
	dir := filepath.Join(l.Bundle, poststopDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	failed := []error{err}
	for _, e := range entries {
		failed = append(failed, runOwed(ctx, filepath.Join(dir, e.Name())))
	}
	return failed
}

func runOwed(ctx context.Context, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fault.Point("hook: read")
	if err := os.Remove(path); err != nil {
		return err
	}
	fault.Point("hook: taken")
	var owed owedHook
	if err := json.Unmarshal(raw, &owed); err != nil {
		return fmt.Errorf("%s: %w", path, err) // half a file: the container was never started
	}
	if owed.Hook.Timeout == 0 {
		owed.Hook.Timeout = define.CleanupTimeout // whoever cleans up holds the container's lock
	}
	err = errors.Join(hook.RunEach(context.WithoutCancel(ctx), "poststop", []plan.Hook{owed.Hook}, owed.State.With(plan.StatusStopped, 0))...)
	fault.Point("hook: ran")
	return err
}
