package libpod

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/libpod/volume"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// Remove removes a container and returns the ids of what was removed: with Depend its
// dependents too. A running one is ErrState without Force; with it, it is stopped first.
func (r *Runtime) Remove(ctx context.Context, id string, o RemoveOptions) ([]string, error) {
	var removed []string
	dependents, err := r.state.Dependents(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(dependents) > 0 {
		if !o.Depend {
			return nil, r.stillNeeded(ctx, id, dependents)
		}
		for _, d := range dependents {
			more, err := r.Remove(ctx, d, o)
			if err != nil {
				return removed, err
			}
			removed = append(removed, more...)
		}
	}
	if o.Force {
		err = r.stopForRemoval(ctx, id, o)
	}
	if err == nil {
		err = r.update(ctx, id, func(ctx context.Context, c *locked) error { return c.remove(ctx, o) })
	}
	if o.Force && errors.Is(err, errdefs.ErrNotFound) {
		err = nil // --rm was faster, or an unfinished removal was finished on the way
	}
	if err != nil {
		return removed, err
	}
	return append(removed, id), nil
}

// stopForRemoval stops a live container outside the lock.
func (r *Runtime) stopForRemoval(ctx context.Context, id string, o RemoveOptions) error {
	c, err := r.load(ctx, id)
	if err != nil {
		if errors.Is(err, errdefs.ErrCorrupt) {
			return nil
		}
		return err
	}
	if !c.status().Live() && c.status() != define.StatusRestarting {
		return nil
	}
	_, err = r.stop(ctx, id, StopOptions{Timeout: o.Timeout}, monitor.StopByRemove)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

func (r *Runtime) stillNeeded(ctx context.Context, id string, dependents []string) error {
	name := define.ShortID(id)
	if row, err := r.state.Container(ctx, id); err == nil {
		name = row.Name
	}
	return &errdefs.Error{
		Op: "remove", Kind: "container", Name: name, Class: errdefs.ErrInUse,
		Cause: fmt.Errorf("container %s depends on it", define.ShortID(dependents[0])),
		Hint:  "remove that one first, or use --depend",
	}
}

// RemovalRounds says for containers that are to be removed together in which round each goes, counted from 0: after those
// of them that depend on it.
func (r *Runtime) RemovalRounds(ctx context.Context, ids []string) (map[string]int, error) {
	rounds := make(map[string]int, len(ids))
	for _, id := range ids {
		rounds[id] = 0
	}
	if len(ids) < 2 {
		return rounds, nil
	}
	dependents, err := r.state.AllDependents(ctx)
	// A container depends only on older ones, so this ends: each pass settles the next round at least.
	for changed := err == nil; changed; {
		changed = false
		for id, round := range rounds {
			for _, d := range dependents[id] {
				if after, together := rounds[d]; together && round <= after {
					round, changed = after+1, true
				}
			}
			rounds[id] = round
		}
	}
	return rounds, err
}

// remove is the removal itself. Killed between any two steps, it is finished by the next
// command: the row says "removing" and goes last but for the directory with the lock, which is
// swept.
func (c *locked) remove(ctx context.Context, o RemoveOptions) error {
	s := &c.row.State
	if s.Status == define.StatusRestarting && o.Force {
		if err := c.cancelRestart(ctx, true); err != nil {
			return err
		}
	}
	if s.Status.Live() && alive(s.PID, s.PIDStart) || s.Status == define.StatusRestarting {
		return &errdefs.Error{
			Op: "remove", Kind: "container", Name: c.row.Name, Class: errdefs.ErrState,
			Cause: fmt.Errorf("it is %s", s.Status),
			Hint:  fmt.Sprintf("stop it with \"manager stop %s\", or use --force", c.row.Name),
		}
	}
	if s.Status != define.StatusRemoving && s.Status != define.StatusCreating && !c.cfg.Life.Remove {
		s.Status = define.StatusRemoving
		if err := c.save(ctx); err != nil {
			return err
		}
	}
	if s.Mounted || s.Status == define.StatusCreating || s.Status == define.StatusRemoving {
		c.layerGoes = true
		if err := c.release(ctx); err != nil {
			return err
		}
	}
	if err := c.removeLayer(ctx); err != nil {
		// Without the cause's class: a part that is not found does not mean that the container is not.
		return c.fail("remove", errdefs.ErrUnavailable, errors.New(err.Error()), errdefs.Hint(err))
	}
	if err := c.finish(ctx); err != nil {
		return err
	}
	if o.Volumes || c.cfg.Life.Remove {
		if err := c.removeAnonymous(ctx); err != nil {
			return err
		}
	}
	if err := c.removeExecs(ctx); err != nil {
		return err
	}
	c.keepGone(ctx)
	for _, dir := range []string{c.rt.paths.runDir(c.row.ID), c.logDir()} {
		if dir == "" {
			continue
		}
		if err := removeAll(dir); err != nil {
			return c.fail("remove", nil, err, "")
		}
	}
	if err := c.rt.state.RemoveContainer(ctx, c.durability(), c.row.ID); err != nil {
		return err
	}
	// After the row: whoever waits for the lock in it finds the row gone and makes nothing anew.
	if err := removeLocked(c.rt.paths.staticDir(c.row.ID), c.rt.paths.lockFile(c.row.ID)); err != nil {
		return c.fail("remove", nil, err, "")
	}
	c.removeFiles()
	c.emit(eventlog.Remove)
	if c.cfg.Life.RemoveImage && c.cfg.Image.ID != "" {
		c.rt.removeUnusedImage(ctx, c.cfg.Image)
	}
	return nil
}

// removeLayer deletes the read-write layer; one that is not there is no error.
func (c *locked) removeLayer(ctx context.Context) error {
	if c.cfg.Rootfs.Path != "" {
		return nil
	}
	images, err := c.rt.Images(ctx)
	if err != nil {
		return err
	}
	return c.rt.withRoom(func() error { return images.DeleteRootfs(c.row.ID) })
}

// removeAnonymous removes the container's anonymous volumes; one that another container uses
// stays. The rows go first, in one transaction; the configuration still knows the names then.
func (c *locked) removeAnonymous(ctx context.Context) error {
	names := c.anonymousVolumes()
	if len(names) == 0 {
		return nil
	}
	kept, err := c.rt.state.DropAnonymous(ctx, c.row.ID, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.Contains(kept, name) {
			continue
		}
		if err := volume.Remove(c.rt.paths.volumes, name); err != nil {
			c.rt.warn("volume %s: %v", name, err)
		}
		c.rt.emitVolume(eventlog.Remove, &state.Volume{Name: name})
		fault.Point("volume: removed")
	}
	return nil
}

// anonymousVolumes are the volumes that were made for the container, or for one whose volumes
// it uses.
func (c *container) anonymousVolumes() []string {
	var names []string
	for i := range c.cfg.Mounts {
		if m := &c.cfg.Mounts[i]; m.Kind == spec.MountVolume && (m.Anonymous || len(m.Source) == define.IDLength) {
			names = append(names, m.Source)
		}
	}
	return names
}

// removeUnusedImage is --rmi: the name that the container was made from goes, and with the last
// name the image, if nothing else uses it.
func (r *Runtime) removeUnusedImage(ctx context.Context, ref spec.ImageRef) {
	images, err := r.Images(ctx)
	if err != nil {
		r.warn("image %s: %v", ref.Name, err)
		return
	}
	word := ref.ID
	if img, err := images.Resolve(ctx, ref.Name); err == nil && img.ID == ref.ID {
		word = ref.Name // it still means the same image
	}
	_, err = r.RemoveImages(ctx, []string{word}, image.RemoveOptions{})
	if err != nil && !errors.Is(err, errdefs.ErrInUse) && !errors.Is(err, errdefs.ErrNotFound) {
		r.warn("image %s: %v", word, err)
	}
}

// Rename gives a container another name.
func (r *Runtime) Rename(ctx context.Context, id, name string) error {
	if !define.ValidName(name) {
		return invalidName("name", name)
	}
	return r.update(ctx, id, func(ctx context.Context, c *locked) error {
		cfg := *c.cfg
		cfg.Name = name
		raw, err := marshal(&cfg)
		if err != nil {
			return err
		}
		if err := r.state.Rename(ctx, id, name, raw); err != nil {
			return err
		}
		if c.status().Live() {
			if err := atomicfile.Write(filepath.Join(r.paths.runDir(id), monitor.NameFile), []byte(name), 0o600, atomicfile.Volatile); err != nil {
				r.warn("container %s: its events go on with its old name: %v", name, err)
			}
		}
		e := with(c.event(eventlog.Rename), "oldName", c.row.Name)
		e.Name = name
		r.emit(e)
		return nil
	})
}

// invalidName refuses a container's name; object says where it stood.
func invalidName(object, name string) error {
	return errdefs.Invalid(object, name, "not a valid name").
		WithHint("begin with a letter or digit and use letters, digits, '_', '.' and '-'")
}

// Prune removes the containers that do not run and match the filters.
func (r *Runtime) Prune(ctx context.Context, filters []string) ([]PruneReport, error) {
	entries, err := r.List(ctx, ListOptions{All: true, Filters: filters, Size: true})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	rounds, err := r.RemovalRounds(ctx, ids)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(entries, func(a, b ListEntry) int { return rounds[a.ID] - rounds[b.ID] })
	var reports []PruneReport
	for _, e := range entries {
		if e.Status != define.StatusExited && e.Status != define.StatusCreated {
			continue
		}
		report := PruneReport{ID: e.ID}
		if e.Size != nil {
			report.Size = e.Size.RW
		}
		if _, err := r.Remove(ctx, e.ID, RemoveOptions{Volumes: false}); err != nil {
			if errors.Is(err, errdefs.ErrNotFound) {
				continue
			}
			report.Err = err
		}
		reports = append(reports, report)
	}
	r.emitPrune(eventlog.Container, reports)
	return reports, nil
}
