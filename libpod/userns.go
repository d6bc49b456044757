package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/idmap"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// allocateIDs finds the maps of a container with --userns=auto. Ids are taken as long as a container's row, or
// that of another program in the shared store, names them: there is no table that could be wrong after a crash.
// Those who look are one at a time, until the row is stored: the lock is the caller's to release, and nil for
// other containers.
func (r *Runtime) allocateIDs(ctx context.Context, cfg *spec.Config) (*lock.Lock, error) {
	auto := cfg.UserNS.Auto
	if auto == nil {
		return nil, nil
	}
	images, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	limits, err := images.AutoUserNS()
	if err != nil {
		return nil, err
	}
	size := auto.Size
	if size == 0 {
		if size, err = sizeFor(images, cfg, limits); err != nil {
			return nil, err
		}
	}
	l, err := lock.Acquire(ctx, filepath.Join(r.paths.static, "userns.lock"), true)
	if err != nil {
		return nil, err
	}
	if err = r.findIDs(ctx, images, cfg, size, limits.User); err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

// sizeFor is how many ids a container needs: those of the image's files and users, and the storage's limits.
func sizeFor(images *image.Service, cfg *spec.Config, limits image.AutoUserNS) (uint32, error) {
	size := max(limits.Least, cfg.UserNS.Auto.Least)
	if cfg.Image.ID != "" {
		n, err := images.IDsOf(cfg.Image.ID)
		if err != nil {
			return 0, err
		}
		size = max(size, n)
	}
	if limits.Most > 0 && size > limits.Most {
		return 0, errdefs.Invalid("--userns", "auto", "the image %s needs %d ids, and storage.conf allows %d (auto-userns-max-size)", cfg.Image.Name, size, limits.Most).
			WithHint("write --userns=auto:size=%d, or raise auto-userns-max-size", size)
	}
	return size, nil
}

// findIDs puts free ids into the container's maps.
func (r *Runtime) findIDs(ctx context.Context, images *image.Service, cfg *spec.Config, size uint32, user string) error {
	usedUIDs, usedGIDs, err := r.usedIDs(ctx, images)
	if err != nil {
		return err
	}
	u, auto := &cfg.UserNS, cfg.UserNS.Auto
	for _, one := range []struct {
		kind   idmap.Kind
		used   []idmap.Span
		forced idmap.Map
		out    *idmap.Map
	}{{idmap.UIDs, usedUIDs, auto.UIDs, &u.UIDs}, {idmap.GIDs, usedGIDs, auto.GIDs, &u.GIDs}} {
		own, err := ownIDs(one.kind)
		if err != nil {
			return err
		}
		available, err := availableIDs(one.kind, user, own)
		if err != nil {
			return err
		}
		m, err := idmap.Auto(size, available, one.used, one.forced)
		if err != nil {
			return noIDs(one.kind, user, err)
		}
		*one.out = m.Fit(own)
	}
	return nil
}

// noIDs explains why there are no ids for another container.
func noIDs(kind idmap.Kind, user string, err error) error {
	var full *idmap.Full
	if !errors.As(err, &full) {
		return errdefs.Invalid("--userns", "auto", "%w", err)
	}
	where := fmt.Sprintf("%s of user %s", subidFile(kind), user)
	if rootless.Active() {
		where = subidFile(kind)
	}
	if full.Free == full.All {
		return errdefs.New(errdefs.ErrUnavailable, "", "", "%w", err).WithOp("--userns=auto").
			WithHint("ask for fewer with auto:size=N, or add a line to %s", where)
	}
	return errdefs.New(errdefs.ErrUnavailable, "", "", "%w: other containers have them", err).WithOp("--userns=auto").
		WithHint("remove containers with a user namespace (keep-id and nomap without size= take all ids), ask for fewer with auto:size=N, or add a line to %s", where)
}

// ownIDs is the map of the namespace that this process is in.
func ownIDs(kind idmap.Kind) (idmap.Map, error) {
	uids, gids, err := mapsOf("self")
	if kind == idmap.GIDs {
		return gids, err
	}
	return uids, err
}

// availableIDs are those that containers are given: root's are the subordinate ids of a user made for that,
// a user's his own.
func availableIDs(kind idmap.Kind, user string, own idmap.Map) ([]idmap.Span, error) {
	if rootless.Active() {
		return idmap.NoMap(own).Outside(), nil
	}
	spans, err := subids(kind, user)
	if err != nil {
		return nil, err
	}
	if len(spans) == 0 {
		return nil, errdefs.New(errdefs.ErrUnavailable, "", "", "%s has no line for user %q, whose ids containers are given", subidFile(kind), user).WithOp("--userns=auto").
			WithHint("add one to /etc/subuid and /etc/subgid, as \"%s:2147483647:2147483648\"; no user of that name is needed", user)
	}
	return spans, nil
}

// usedIDs are the ids that containers have now, running or not.
func (r *Runtime) usedIDs(ctx context.Context, images *image.Service) (uids, gids []idmap.Span, err error) {
	others, err := images.UsedIDs()
	if err != nil {
		return nil, nil, err
	}
	rows, err := r.state.Containers(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i := range rows {
		var b brief
		if err := json.Unmarshal(rows[i].Brief, &b); err != nil {
			return nil, nil, &errdefs.Error{Kind: "container", Name: rows[i].Name, Class: errdefs.ErrCorrupt, Cause: err}
		}
		others = append(others, image.IDs{UIDs: b.UIDs, GIDs: b.GIDs})
	}
	for _, o := range others {
		uids, gids = append(uids, o.UIDs.Outside()...), append(gids, o.GIDs.Outside()...)
	}
	return uids, gids, nil
}
