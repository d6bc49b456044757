package libpod

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/libpod/volume"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/spec"
)

// VolumeCreate makes a named volume.
func (r *Runtime) VolumeCreate(ctx context.Context, o VolumeCreateOptions) (*Volume, error) {
	if o.Driver != "" && o.Driver != "local" {
		return nil, errdefs.Unsupported("--driver "+o.Driver, "only local volumes are available in this version")
	}
	labels, err := keyValues("--label", o.Labels, true)
	if err != nil {
		return nil, err
	}
	options, err := keyValues("--opt", o.Options, true)
	if err != nil {
		return nil, err
	}
	v := state.Volume{Name: o.Name, Labels: labels, Options: options}
	if o.UID != nil {
		v.UID = *o.UID
	}
	if o.GID != nil {
		v.GID = *o.GID
	}
	if v.Name == "" {
		v.Name = define.NewID()
	}
	if !define.ValidName(v.Name) {
		return nil, errdefs.Invalid("volume", v.Name, "not a valid name").WithHint("begin with a letter or digit and use letters, digits, '_', '.' and '-'")
	}
	if old, err := r.state.Volume(ctx, v.Name); err == nil && o.Ignore {
		return r.volume(ctx, old)
	}
	if err := r.addVolume(ctx, &v); err != nil {
		return nil, err
	}
	return r.volume(ctx, &v)
}

// addVolume makes the directory, then the row: a directory without a row is taken over by
// the next creation of the same name.
func (r *Runtime) addVolume(ctx context.Context, v *state.Volume) error {
	if err := decideVolume(v); err != nil {
		return err
	}
	var err error
	if _, err := r.state.Volume(ctx, v.Name); err == nil {
		return &errdefs.Error{Op: "create", Kind: "volume", Name: v.Name, Class: errdefs.ErrExists, Hint: "choose another name, or use --ignore"}
	}
	if err := r.endRemoval(ctx, v.Name); err != nil {
		return err
	}
	if v.Path, err = volume.Create(r.paths.volumes, v.Name, volume.Owner{UID: v.UID, GID: v.GID}); err != nil {
		return err
	}
	if err := labelVolume(v.Path); err != nil {
		return err
	}
	if err := volume.Sync(r.paths.volumes, v.Name); err != nil {
		return err
	}
	fault.Point("volume: made")
	if err := r.state.AddVolume(ctx, *v); err != nil {
		return err
	}
	r.emitVolume(eventlog.Create, v)
	return nil
}

// decideVolume fills in a new volume's row from its options.
func decideVolume(v *state.Volume) error {
	v.Driver, v.Created = "local", time.Now()
	o, err := volume.ParseOptions(v.Options)
	if err != nil {
		return err
	}
	if o.UID != nil {
		v.UID = *o.UID
	}
	if o.GID != nil {
		v.GID = *o.GID
	}
	// An owner that the user named is not changed by the first container.
	v.NeedsChown = v.UID == 0 && v.GID == 0
	v.NeedsCopyUp = !o.NoCopy
	return nil
}

// ensureVolumes makes the named volumes that a new container wants and that do not exist. It
// returns the names of all it uses, and its anonymous ones, which come and go with the
// container: their rows are stored in its transaction, their directories made after that.
func (r *Runtime) ensureVolumes(ctx context.Context, cfg *spec.Config) (names []string, fresh []state.Volume, err error) {
	for i := range cfg.Mounts {
		m := &cfg.Mounts[i]
		if m.Kind != spec.MountVolume {
			continue
		}
		names = append(names, m.Source)
		_, err := r.state.Volume(ctx, m.Source)
		if err == nil {
			continue
		}
		if !errors.Is(err, errdefs.ErrNotFound) {
			return nil, nil, err
		}
		v := state.Volume{Name: m.Source, Anonymous: m.Anonymous, Options: m.VolumeOptions}
		if !v.Anonymous {
			if err := r.addVolume(ctx, &v); err != nil && !errors.Is(err, errdefs.ErrExists) {
				return nil, nil, err
			}
			continue
		}
		if err := decideVolume(&v); err != nil {
			return nil, nil, err
		}
		v.Path = volume.DataPath(r.paths.volumes, v.Name)
		fresh = append(fresh, v)
	}
	return names, fresh, nil
}

// makeAnonymous makes the directories of the container's own volumes.
func (c *locked) makeAnonymous() error {
	for i := range c.cfg.Mounts {
		m := &c.cfg.Mounts[i]
		if m.Kind != spec.MountVolume || !m.Anonymous {
			continue
		}
		v := state.Volume{Options: m.VolumeOptions}
		if err := decideVolume(&v); err != nil {
			return err
		}
		path, err := volume.Create(c.rt.paths.volumes, m.Source, volume.Owner{UID: v.UID, GID: v.GID})
		if err == nil {
			err = labelVolume(path)
		}
		if err != nil {
			return err
		}
		c.rt.emitVolume(eventlog.Create, &state.Volume{Name: m.Source})
		fault.Point("volume: made")
	}
	return nil
}

func keyValues(option string, entries []string, bare bool) (map[string]string, error) {
	m := map[string]string{}
	for _, e := range entries {
		k, v, ok := strings.Cut(e, "=")
		if k == "" || !ok && !bare {
			return nil, errdefs.Invalid(option, e, "not of the form KEY=VALUE")
		}
		m[k] = v
	}
	return m, nil
}

// volume is a stored volume in the words of inspect.
func (r *Runtime) volume(ctx context.Context, v *state.Volume) (*Volume, error) {
	users, err := r.state.VolumeUsers(ctx, v.Name)
	if err != nil {
		return nil, err
	}
	out := &Volume{
		Name: v.Name, Driver: v.Driver, Mountpoint: v.Path, CreatedAt: v.Created, Labels: v.Labels, Scope: "local", Options: v.Options,
		Anonymous: v.Anonymous, UID: v.UID, GID: v.GID, NeedsCopyUp: v.NeedsCopyUp, NeedsChown: v.NeedsChown,
	}
	for _, id := range users {
		if row, err := r.state.Container(ctx, id); err == nil && row.State.Status.Live() {
			out.MountCount++
		}
	}
	return out, nil
}

// findVolume finds a volume by name or by the unambiguous beginning of its name.
func (r *Runtime) findVolume(ctx context.Context, name string) (*state.Volume, error) {
	v, err := r.state.Volume(ctx, name)
	if err == nil || !errors.Is(err, errdefs.ErrNotFound) || name == "" {
		return v, err
	}
	all, listErr := r.state.Volumes(ctx)
	if listErr != nil {
		return nil, listErr
	}
	for i := range all {
		if !strings.HasPrefix(all[i].Name, name) {
			continue
		}
		if v != nil {
			return nil, &errdefs.Error{Kind: "volume", Name: name, Class: errdefs.ErrAmbiguous, Cause: errors.New("more than one volume begins so"), Hint: "write more of the name"}
		}
		v = &all[i]
	}
	if v == nil {
		return nil, err
	}
	return v, nil
}

// VolumeInspect returns one volume.
func (r *Runtime) VolumeInspect(ctx context.Context, name string) (*Volume, error) {
	v, err := r.findVolume(ctx, name)
	if err != nil {
		return nil, err
	}
	return r.volume(ctx, v)
}

// VolumeExists reports whether there is a volume of that name.
func (r *Runtime) VolumeExists(ctx context.Context, name string) (bool, error) {
	_, err := r.state.Volume(ctx, name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// VolumeList returns the volumes that match the filters, by name.
func (r *Runtime) VolumeList(ctx context.Context, filters []string) ([]Volume, error) {
	match, err := r.volumeFilters(filters)
	if err != nil {
		return nil, err
	}
	all, err := r.state.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	var out []Volume
	for i := range all {
		v, err := r.volume(ctx, &all[i])
		if err != nil {
			return nil, err
		}
		used, err := r.state.VolumeUsers(ctx, v.Name)
		if err != nil {
			return nil, err
		}
		if match(v, len(used) > 0) {
			out = append(out, *v)
		}
	}
	return out, nil
}

// VolumeRemove removes a volume. One that containers use is ErrInUse; with force they go first.
func (r *Runtime) VolumeRemove(ctx context.Context, name string, force bool, timeout *uint) error {
	v, err := r.findVolume(ctx, name)
	if err != nil {
		return err
	}
	if force {
		users, err := r.state.VolumeUsers(ctx, v.Name)
		if err != nil {
			return err
		}
		for _, id := range users {
			if _, err := r.Remove(ctx, id, RemoveOptions{Force: true, Depend: true, Timeout: timeout}); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				return err
			}
		}
	}
	return r.removeVolume(ctx, v)
}

// removeVolume forgets the row first, so that a volume in use is refused, then the files. Killed
// between the two, the next prune or creation of the same name finds a note that they are given up.
func (r *Runtime) removeVolume(ctx context.Context, v *state.Volume) error {
	if err := mkdir(r.paths.volumes); err != nil {
		return err
	}
	note := volume.NotePath(r.paths.volumes, v.Name)
	l, err := lock.Acquire(ctx, note, true)
	if err != nil {
		return err
	}
	defer l.Release()
	fault.Point("volume: given up")
	if err = r.state.RemoveVolume(ctx, v.Name); err == nil {
		err = volume.Remove(r.paths.volumes, v.Name)
		fault.Point("volume: removed")
		r.emitVolume(eventlog.Remove, v)
	}
	return errors.Join(err, os.Remove(note))
}

// endRemoval waits for a removal under way of a volume without a row, and ends one that was
// killed. Without it, the files of a new volume of that name could be taken away.
func (r *Runtime) endRemoval(ctx context.Context, name string) error {
	note := volume.NotePath(r.paths.volumes, name)
	l, err := lock.Acquire(ctx, note, false)
	if errors.Is(err, lock.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Release()
	_, err = r.state.Volume(ctx, name)
	if errors.Is(err, errdefs.ErrNotFound) {
		err = volume.Remove(r.paths.volumes, name)
	}
	return errors.Join(err, os.Remove(note))
}

// sweepVolumes ends removals that were cut short.
func (r *Runtime) sweepVolumes(ctx context.Context) error {
	names, err := volume.Notes(r.paths.volumes)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.endRemoval(ctx, name); err != nil {
			return err
		}
	}
	return volume.Sweep(r.paths.volumes)
}

// VolumePrune removes the volumes that no container uses: the anonymous ones, or all.
func (r *Runtime) VolumePrune(ctx context.Context, filters []string, all, dryRun bool) ([]PruneReport, error) {
	if !dryRun {
		if err := r.sweepVolumes(ctx); err != nil {
			return nil, err
		}
	}
	filters = append(filters, "dangling=true")
	if !all {
		filters = append(filters, "anonymous=true")
	}
	list, err := r.VolumeList(ctx, filters)
	if err != nil {
		return nil, err
	}
	var reports []PruneReport
	for _, v := range list {
		size, _ := volume.Size(v.Mountpoint)
		report := PruneReport{ID: v.Name, Size: size}
		if !dryRun {
			err := r.VolumeRemove(ctx, v.Name, false, nil)
			if errors.Is(err, errdefs.ErrInUse) || errors.Is(err, errdefs.ErrNotFound) {
				continue // taken, or gone, meanwhile
			}
			report.Err = err
		}
		reports = append(reports, report)
	}
	if !dryRun {
		r.emitPrune(eventlog.Volume, reports)
	}
	return reports, nil
}
