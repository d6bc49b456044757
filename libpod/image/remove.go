package image

import (
	"context"
	"errors"
	"strings"

	"go.podman.io/storage"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
)

// RemoveOptions say how images are removed. The zero value removes the named images that
// nothing uses, and their nameless parents.
type RemoveOptions struct {
	// All removes every image that no container uses; names must be empty.
	All bool
	// Force removes images with several names, and calls RemoveContainers for those in use.
	Force bool
	// Ignore passes over images that do not exist.
	Ignore bool
	// NoPrune keeps nameless parents.
	NoPrune bool
	// Containers tells which containers of this program use an image. The store's own
	// records, also those of other programs, are asked in any case.
	Containers func(imageID string) ([]string, error)
	// RemoveContainers removes containers of this program, for Force. Nil refuses.
	RemoveContainers func(ctx context.Context, ids []string) error
}

// Removed tells what Remove did to one image.
type Removed struct {
	// ID is the image's id.
	ID string
	// Untagged are the names it lost.
	Untagged []string
	// Deleted are the ids of the images that are gone: itself, then its parents. Empty
	// when it has other names left.
	Deleted []string
}

// Remove takes away names and, with the last one, images. It goes on after a failure and
// joins the errors. Errors: ErrNotFound, ErrAmbiguous, ErrInUse for an image that a
// container uses or that has several names and was named by its id.
func (s *Service) Remove(ctx context.Context, names []string, opts RemoveOptions) ([]Removed, error) {
	s.changeImages()
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	if opts.All {
		if len(names) > 0 {
			return nil, errdefs.Invalid("--all", strings.Join(names, " "), "it leaves no room for names")
		}
		return s.removeAll(ctx, store, opts)
	}
	var report []Removed
	var errs []error
	for _, name := range names {
		r, err := s.remove(ctx, store, name, opts)
		if err != nil && !(opts.Ignore && errors.Is(err, errdefs.ErrNotFound)) {
			errs = append(errs, err)
		}
		if r != nil {
			report = append(report, *r)
		}
	}
	return report, errors.Join(errs...)
}

// removeAll removes every image; without Force those in use stay, silently.
func (s *Service) removeAll(ctx context.Context, store storage.Store, opts RemoveOptions) ([]Removed, error) {
	all, err := allImages(store)
	if err != nil {
		return nil, storeReadError(err)
	}
	var report []Removed
	var errs []error
	for i := range all {
		if all[i].ReadOnly {
			continue
		}
		img := fromRecord(&all[i], "")
		r, err := s.delete(ctx, store, img, opts)
		switch {
		case err == nil:
			r.Untagged = all[i].Names
			s.removed(r)
			report = append(report, *r)
		case errors.Is(err, errdefs.ErrInUse) && !opts.Force, errors.Is(err, errdefs.ErrNotFound):
		default:
			errs = append(errs, err)
		}
	}
	return report, errors.Join(errs...)
}

// remove handles one name: with other names left only the name goes.
func (s *Service) remove(ctx context.Context, store storage.Store, name string, opts RemoveOptions) (*Removed, error) {
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if img.ReadOnly {
		return nil, s.readOnlyError(img, name)
	}
	byID := img.Name == ""
	if !byID && len(img.Names) > 1 {
		full, err := s.nameOf(ctx, img, name)
		if err != nil {
			full = img.Name
		}
		fault.Point("image: untag")
		if err := store.RemoveNames(img.ID, []string{full}); err != nil {
			return nil, failure("untag", name, "", err)
		}
		fault.Point("image: untagged")
		s.untagged(img.ID, []string{full})
		return &Removed{ID: img.ID, Untagged: []string{full}}, nil
	}
	if byID && len(img.Names) > 1 && !opts.Force {
		return nil, errdefs.New(errdefs.ErrInUse, "image", name, "it has several names: %s", strings.Join(img.Names, ", ")).
			WithHint("remove it by name, or use --force")
	}
	r, err := s.delete(ctx, store, img, opts)
	if err != nil {
		return nil, err
	}
	r.Untagged = img.Names
	s.removed(r)
	return r, nil
}

// removed tells of images that are gone, with their names.
func (s *Service) removed(r *Removed) {
	s.untagged(r.ID, r.Untagged)
	for _, id := range r.Deleted {
		s.changed(eventlog.Remove, id, "", nil)
	}
}

// delete removes an image and then its nameless, unused parents.
func (s *Service) delete(ctx context.Context, store storage.Store, img Image, opts RemoveOptions) (*Removed, error) {
	if err := freeOfContainers(ctx, store, img, opts); err != nil {
		return nil, err
	}
	r := &Removed{ID: img.ID}
	parent := parentOf(store, img)
	fault.Point("image: delete")
	if err := dropShifted(ctx, store, img.TopLayer); err != nil {
		return nil, err
	}
	if _, err := store.DeleteImage(img.ID, true); err != nil && !deletedAbove(store, img, err) {
		return nil, deleteError(img, err)
	}
	fault.Point("image: deleted")
	r.Deleted = append(r.Deleted, img.ID)
	if !opts.NoPrune {
		r.Deleted = append(r.Deleted, deleteParents(ctx, store, parent, opts)...)
	}
	return r, nil
}

// deleteParents removes nameless images upwards from parent, as far as nothing needs them,
// and returns their ids. They are extra: one that stays is no failure.
func deleteParents(ctx context.Context, store storage.Store, parent *storage.Image, opts RemoveOptions) []string {
	var deleted []string
	for parent != nil && len(parent.Names) == 0 && !parent.ReadOnly && ctx.Err() == nil {
		img := fromRecord(parent, "")
		if freeOfContainers(ctx, store, img, RemoveOptions{Containers: opts.Containers}) != nil || hasChildren(store, img) {
			break
		}
		next := parentOf(store, img)
		if _, err := store.DeleteImage(img.ID, true); err != nil && !deletedAbove(store, img, err) {
			break
		}
		fault.Point("image: parent deleted")
		deleted = append(deleted, img.ID)
		parent = next
	}
	return deleted
}

// freeOfContainers makes sure that no container uses the image.
func freeOfContainers(ctx context.Context, store storage.Store, img Image, opts RemoveOptions) error {
	var own []string
	if opts.Containers != nil {
		ids, err := opts.Containers(img.ID)
		if err != nil {
			return err
		}
		own = ids
	}
	if len(own) > 0 && opts.Force && opts.RemoveContainers != nil {
		if err := opts.RemoveContainers(ctx, own); err != nil {
			return err
		}
		own = nil
	}
	if len(own) > 0 {
		return inUse(img, own[0], "use --force to remove its containers too")
	}
	records, err := store.Containers()
	if err != nil {
		return storeReadError(err)
	}
	for i := range records {
		if records[i].ImageID != img.ID {
			continue
		}
		hint := "remove the container first"
		if !isOurs(&records[i]) {
			hint = "another program made that container; remove it there"
		}
		return inUse(img, records[i].ID, hint)
	}
	return nil
}

// inUse says which container keeps an image.
func inUse(img Image, container, hint string) error {
	return errdefs.New(errdefs.ErrInUse, "image", img.label(), "container %.12s uses it", container).WithHint("%s", hint)
}

// deleteError gives the store's refusal to delete its class.
func deleteError(img Image, err error) error {
	e := &errdefs.Error{Op: "remove", Kind: "image", Name: img.label(), Class: errdefs.ErrUnavailable, Cause: oneLine(err)}
	switch {
	case errors.Is(err, storage.ErrImageUnknown), errors.Is(err, storage.ErrNotAnImage):
		e.Class = errdefs.ErrNotFound
	case errors.Is(err, storage.ErrImageUsedByContainer), errors.Is(err, storage.ErrLayerUsedByContainer), errors.Is(err, storage.ErrLayerHasChildren):
		e.Class = errdefs.ErrInUse
	}
	return e
}
