package image

import (
	"context"
	"slices"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
)

// Tag gives an image further names. A name that another image had moves over. Names
// without a registry go under localhost. All names are checked before the first is given.
// Errors: ErrNotFound, ErrAmbiguous, ErrInvalid; a name with a digest is ErrInvalid.
func (s *Service) Tag(ctx context.Context, name string, names ...string) error {
	s.changeImages()
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return err
	}
	var full []string
	for _, n := range names {
		named, err := normalName(n)
		if err != nil {
			return err
		}
		if named.digest != "" {
			return errdefs.New(errdefs.ErrInvalid, "image", n, "a name with a digest cannot be given")
		}
		full = append(full, named.String())
	}
	store, err := s.Store()
	if err != nil {
		return err
	}
	fault.Point("image: tag")
	if err := store.AddNames(img.ID, full); err != nil {
		return failure("tag", name, "", err)
	}
	fault.Point("image: tagged")
	for _, n := range full {
		s.changed(eventlog.Tag, img.ID, n, nil)
	}
	return nil
}

// Untag takes names from an image; without any, all its names. The image stays.
// Errors: ErrNotFound when the image, or a name on it, does not exist.
func (s *Service) Untag(ctx context.Context, name string, names ...string) error {
	s.changeImages()
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return err
	}
	full := img.Names
	if len(names) > 0 {
		full = nil
	}
	for _, n := range names {
		f, err := s.nameOf(ctx, img, n)
		if err != nil {
			return err
		}
		full = append(full, f)
	}
	store, err := s.Store()
	if err != nil {
		return err
	}
	fault.Point("image: untag")
	if err := store.RemoveNames(img.ID, full); err != nil {
		return failure("untag", name, "", err)
	}
	fault.Point("image: untagged")
	s.untagged(img.ID, full)
	return nil
}

// untagged tells of names that an image has lost.
func (s *Service) untagged(id string, names []string) {
	for _, n := range names {
		s.changed(eventlog.Untag, id, n, nil)
	}
}

// nameOf finds the full name of img that a user's name means.
func (s *Service) nameOf(_ context.Context, img Image, name string) (string, error) {
	refs, err := s.localCandidates(name)
	if err != nil {
		return "", err
	}
	for _, r := range refs {
		if slices.Contains(img.Names, r.String()) {
			return r.String(), nil
		}
	}
	return "", errdefs.New(errdefs.ErrNotFound, "name", name, "image %s has no such name", img.ID[:12]).WithHint("\"manager images --filter id=%s\" shows its names", img.ID[:12])
}
