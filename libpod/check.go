package libpod

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// CheckOptions say how closely the store is looked at, and what becomes of what is found.
type CheckOptions struct {
	// Quick leaves out the comparison of every layer's tree.
	Quick bool
	// MaxAge is how old a layer may be that neither an image nor a container has.
	MaxAge time.Duration
	// Repair removes damaged images and layers, and layers that nothing needs; what containers stand on stays.
	Repair bool
	// Force removes damaged containers before that, running ones too.
	Force bool
}

// CheckReport is what was found and done.
type CheckReport struct {
	// Removed is what the repair took away, in that order.
	Removed []image.Damage
	// Damage is what is wrong, and after a repair what still is.
	Damage []image.Damage
}

// KindState is the kind of damage of the state file, which no repair mends.
const KindState = "state"

// Check compares the store and the state with what was written into them, and removes what is damaged if asked to.
func (r *Runtime) Check(ctx context.Context, o CheckOptions) (*CheckReport, error) {
	images, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	report := &CheckReport{}
	found, damage, err := r.look(ctx, images, o)
	if err != nil || !o.Repair && !o.Force || len(damage) == 0 {
		report.Damage = damage
		return report, err
	}
	var errs []error
	if o.Force {
		report.Removed, err = r.removeDamaged(ctx, images, damage)
		errs = append(errs, err)
	}
	removed, err := images.Repair(ctx, found)
	report.Removed = append(report.Removed, removed...)
	errs = append(errs, err)
	_, report.Damage, err = r.look(ctx, images, o)
	return report, errors.Join(append(errs, err)...)
}

// look finds the damage: the store's, and what the state and the store do not agree on.
func (r *Runtime) look(ctx context.Context, images *image.Service, o CheckOptions) (*image.Check, []image.Damage, error) {
	broken, err := r.state.Check(ctx)
	if err != nil {
		return nil, nil, err
	}
	var damage []image.Damage
	if len(broken) > 0 {
		damage = append(damage, image.Damage{Kind: KindState, ID: r.paths.static, Problems: broken})
	}
	check, err := images.Check(ctx, image.CheckOptions{Quick: o.Quick, MaxAge: o.MaxAge})
	if err != nil {
		return nil, nil, err
	}
	apart, err := r.disagreements(ctx, images)
	return check, slices.Concat(damage, check.Damage, apart), err
}

// disagreements are the containers that only the state knows, and those that only the store has. A container that is
// being made is in the state first, and one that is being removed is there last.
func (r *Runtime) disagreements(ctx context.Context, images *image.Service) ([]image.Damage, error) {
	stored, err := images.Recorded()
	if err != nil {
		return nil, err
	}
	rows, err := r.state.Containers(ctx)
	if err != nil {
		return nil, err
	}
	var damage []image.Damage
	for i := range rows {
		row := &rows[i]
		at := slices.Index(stored, row.ID)
		if at >= 0 {
			stored = slices.Delete(stored, at, at+1)
			continue
		}
		if row.State.Status == define.StatusCreating || row.State.Status == define.StatusRemoving {
			continue
		}
		c, err := r.load(ctx, row.ID)
		if errors.Is(err, errdefs.ErrNotFound) || err == nil && c.cfg.Rootfs.Path != "" {
			continue
		}
		d := image.Damage{Kind: image.KindContainer, ID: row.ID, Names: []string{row.Name}}
		switch again, e := images.Recorded(); {
		case errors.Is(err, errdefs.ErrCorrupt):
			d.Problems = []string{err.Error()}
		case errors.Join(err, e) != nil:
			return nil, errors.Join(err, e)
		case slices.Contains(again, row.ID):
			continue // made in this moment
		default:
			d.Problems = []string{"its root filesystem is missing"}
		}
		damage = append(damage, d)
	}
	for _, id := range stored {
		damage = append(damage, image.Damage{
			Kind: image.KindContainer, ID: id, Problems: []string{"only its root filesystem is left"},
		})
	}
	return damage, nil
}

// removeDamaged removes the damaged containers of this program.
func (r *Runtime) removeDamaged(ctx context.Context, images *image.Service, damage []image.Damage) ([]image.Damage, error) {
	var removed []image.Damage
	var errs []error
	for i := range damage {
		d := &damage[i]
		if d.Kind != image.KindContainer || d.Foreign || slices.ContainsFunc(removed, func(r image.Damage) bool { return r.ID == d.ID }) {
			continue
		}
		_, err := r.Remove(ctx, d.ID, RemoveOptions{Force: true, Depend: true})
		if err == nil {
			err = images.DeleteRootfs(d.ID) // of one that the state does not know
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, *d)
	}
	return removed, errors.Join(errs...)
}
