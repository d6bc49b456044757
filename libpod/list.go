package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// List returns containers, newest first: the live ones, or all.
func (r *Runtime) List(ctx context.Context, o ListOptions) ([]ListEntry, error) {
	match, err := r.parseFilters(ctx, o.Filters)
	if err != nil {
		return nil, err
	}
	folders, err := r.folders()
	if err != nil {
		return nil, err
	}
	rows, err := r.state.Containers(ctx)
	if err != nil {
		return nil, err
	}
	running, changed := r.recoverAll(ctx, rows)
	if changed {
		running = nil
		if rows, err = r.state.Containers(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.sweep(ctx, folders, rows); err != nil {
		return nil, err
	}
	// A filter on the state means all containers, as does asking for the last ones.
	all := o.All || o.Latest || o.Last > 0 || match.anyState
	var entries []ListEntry
	for i := range rows {
		e, err := r.entry(&rows[i], running[rows[i].ID])
		if err != nil {
			r.warn("%v", err)
			continue
		}
		if !all && !e.Status.Live() && e.Status != define.StatusRestarting {
			continue
		}
		if !match.entry(&e) {
			continue
		}
		entries = append(entries, e)
		if o.Latest || o.Last > 0 && len(entries) == o.Last {
			break
		}
	}
	if o.Size || o.Namespace {
		if err := r.addDetails(ctx, entries, o); err != nil {
			return nil, err
		}
	}
	if o.External {
		more, err := r.external(ctx)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
	return entries, nil
}

// entry is what a list says of a container; found is what was found of it a moment ago, if it runs.
func (r *Runtime) entry(row *state.Row, found liveness) (ListEntry, error) {
	var b brief
	if err := json.Unmarshal(row.Brief, &b); err != nil {
		return ListEntry{}, &errdefs.Error{Kind: "container", Name: row.Name, Class: errdefs.ErrCorrupt, Cause: err, Hint: "remove it with \"manager rm -f " + row.Name + "\""}
	}
	r.forgetStop(row)
	s := &row.State
	e := ListEntry{
		ID: row.ID, Names: []string{row.Name}, Image: b.Image, ImageID: row.ImageID, Command: b.Command, Created: row.Created,
		Status: s.Status, StartedAt: s.StartedAt, ExitedAt: s.FinishedAt, ExitCode: s.ExitCode, PID: s.PID, Restarts: s.Restarts,
		Labels: b.Labels, Mounts: b.Mounts, AutoRemove: b.AutoRemove, CIDFile: b.CIDFile, Exposed: b.Exposed, Ports: b.Ports, Network: b.Network, OOMKilled: s.OOMKilled,
		RestartPolicy: b.Restart, StoppedByUser: s.StoppedByUser, Cause: s.Cause,
	}
	if s.Status.Live() {
		if found == ended {
			found = r.liveness(row)
		}
		if found != ended {
			e.Unmonitored = found == unmonitored
			if b.Health {
				e.Health = r.healthOf(row, b.HealthLog).Status
			}
		} else {
			// Its end is being written down by somebody who holds the lock.
			e.Status, e.PID, e.ExitedAt = define.StatusExited, 0, time.Now()
			if record, err := monitor.ReadExit(r.paths.runDir(row.ID)); err == nil && record.Generation == s.Generation {
				e.ExitCode, e.ExitedAt, e.OOMKilled, e.Cause = record.Code, record.FinishedAt, record.OOMKilled, record.Cause
				if record.Restart != nil {
					e.Status, e.Restarts = define.StatusRestarting, record.Restart.Count
				}
			}
		}
	}
	if spec.IsDriver(b.Network) {
		e.Networks = []string{b.Network}
	}
	e.Exited = e.Status == define.StatusExited
	return e, nil
}

// addDetails fills in what costs time and was asked for.
func (r *Runtime) addDetails(ctx context.Context, entries []ListEntry, o ListOptions) error {
	for i := range entries {
		if o.Namespace {
			entries[i].Namespaces = namespacesOf(entries[i].PID)
		}
		if o.Size {
			size, err := r.size(ctx, entries[i].ID)
			if errors.Is(err, errdefs.ErrNotFound) {
				continue // removed, or not yet made, while we look
			}
			if err != nil {
				return err
			}
			entries[i].Size = size
		}
	}
	return nil
}

// external lists the containers that other tools keep in the shared store.
func (r *Runtime) external(ctx context.Context) ([]ListEntry, error) {
	images, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	others, err := images.External(ctx)
	if err != nil {
		return nil, err
	}
	var entries []ListEntry
	for _, o := range others {
		entries = append(entries, ListEntry{
			ID: o.ID, Names: slices.Clone(o.Names), ImageID: o.ImageID, Created: o.Created,
			Status: define.Status("storage"), External: true,
		})
	}
	return entries, nil
}
