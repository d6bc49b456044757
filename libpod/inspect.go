package libpod

import (
	"context"
)

// Inspect returns what is known of a container: its state as the kernel sees it.
func (r *Runtime) Inspect(ctx context.Context, id string) (Record, error) {
	if err := r.reconcileQuietly(ctx, id); err != nil {
		return Record{}, err
	}
	c, err := r.load(ctx, id)
	if err != nil {
		return Record{}, err
	}
	c.row.State.Status = c.current()
	return Record{Config: c.cfg, State: c.row.State}, nil
}

// reconcileQuietly settles a container whose lock is free, if there is something to settle.
func (r *Runtime) reconcileQuietly(ctx context.Context, id string) error {
	row, err := r.state.Container(ctx, id)
	if err != nil {
		return err
	}
	s := &row.State
	if s.Mounted && !(s.Status.Live() && alive(s.PID, s.PIDStart)) || s.Status == "removing" || s.Status == "creating" {
		return r.tryReconcile(ctx, id)
	}
	return nil
}
