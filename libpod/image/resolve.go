package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.podman.io/storage"

	"github.com/manager-project/manager/pkg/errdefs"
)

// idLength is the length of a full image id.
const idLength = 64

// isHex reports whether s can be an image id or its beginning.
func isHex(s string) bool {
	return s != "" && len(s) <= idLength && strings.Trim(s, "0123456789abcdef") == ""
}

// Resolve finds an image of the local store. The first of these that exists is taken:
//
//  1. the full id, with or without "sha256:";
//  2. the name as it is, when it is fully qualified, with ":latest" added when it has
//     neither tag nor digest;
//  3. for a short name its alias from registries.conf, localhost/NAME, NAME at each
//     unqualified-search registry, and docker.io/library/NAME;
//  4. the beginning of exactly one id;
//  5. exactly one image whose name ends in "/NAME" with the same tag or digest.
//
// Errors: ErrInvalid for what is no name, ErrAmbiguous when rule 4 or 5 fits several
// images, ErrNotFound otherwise.
func (s *Service) Resolve(ctx context.Context, name string) (Image, error) {
	if err := ctx.Err(); err != nil {
		return Image{}, err
	}
	store, err := s.readable()
	if err != nil {
		return Image{}, err
	}
	id := strings.TrimPrefix(name, "sha256:")
	if len(id) == idLength && isHex(id) {
		return lookupID(store, id, name)
	}
	candidates, err := s.localCandidates(name)
	if err != nil && !isHex(id) {
		return Image{}, err
	}
	for _, c := range candidates {
		img, err := lookupName(store, c)
		if err == nil || !errors.Is(err, storage.ErrImageUnknown) {
			return img, err
		}
	}
	return searchAll(store, name, id, candidates)
}

// Exists says whether Resolve would find the image. An ambiguous name exists.
func (s *Service) Exists(ctx context.Context, name string) (bool, error) {
	_, err := s.Resolve(ctx, name)
	switch {
	case err == nil, errors.Is(err, errdefs.ErrAmbiguous):
		return true, nil
	case errors.Is(err, errdefs.ErrNotFound):
		return false, nil
	}
	return false, err
}

// lookupID finds an image by its full id.
func lookupID(store storage.Store, id, name string) (Image, error) {
	rec, err := store.Image(id)
	if err != nil || rec.ID != id {
		return Image{}, imageNotFound(name)
	}
	return fromRecord(rec, ""), nil
}

// lookupName finds an image by one fully qualified name. A digest that is not part of a
// stored name is looked up among the manifests of images of the same repository.
func lookupName(store storage.Store, name fullName) (Image, error) {
	text := name.String()
	rec, err := store.Image(text)
	if err == nil && slices.Contains(rec.Names, text) {
		return fromRecord(rec, text), nil
	}
	if name.digest != "" {
		return lookupDigest(store, name)
	}
	return Image{}, storage.ErrImageUnknown
}

// lookupDigest finds an image that has the name's manifest digest and a name in its repository.
func lookupDigest(store storage.Store, name fullName) (Image, error) {
	recs, err := store.ImagesByDigest(name.digest)
	if err != nil {
		return Image{}, storage.ErrImageUnknown
	}
	for _, rec := range recs {
		for _, n := range rec.Names {
			if other, err := parseFullName(n); err == nil && other.repository() == name.repository() {
				return fromRecord(rec, name.String()), nil
			}
		}
	}
	return Image{}, storage.ErrImageUnknown
}

// resolvePlatform is Resolve for a platform: an image for another one is not found.
func (s *Service) resolvePlatform(ctx context.Context, name string, p Platform) (Image, error) {
	img, err := s.Resolve(ctx, name)
	if err != nil || p == (Platform{}) {
		return img, err
	}
	cfg, err := s.Config(ctx, img)
	if err != nil {
		return Image{}, err
	}
	if err := p.matches(cfg); err != nil {
		return Image{}, errdefs.New(errdefs.ErrNotFound, "image", name, "the local image is not the one wanted: %w", err)
	}
	return img, nil
}

// searchAll applies the rules that must see every image: id prefixes and ends of names.
func searchAll(store storage.Store, name, id string, candidates []fullName) (Image, error) {
	all, err := allImages(store)
	if err != nil {
		return Image{}, storeReadError(err)
	}
	var found []*storage.Image
	if isHex(id) {
		for i := range all {
			if strings.HasPrefix(all[i].ID, id) {
				found = append(found, &all[i])
			}
		}
	}
	matched := ""
	if len(found) == 0 && len(candidates) > 0 {
		found, matched = bySuffix(all, name)
	}
	switch len(found) {
	case 0:
		return Image{}, imageNotFound(name)
	case 1:
		return fromRecord(found[0], matched), nil
	}
	return Image{}, ambiguous(name, found)
}

// bySuffix finds the images that have a name ending in "/" and the user's name.
func bySuffix(all []storage.Image, name string) (found []*storage.Image, matched string) {
	tail := name
	if i := strings.LastIndex(tail, ":"); i <= strings.LastIndex(tail, "/") && !strings.Contains(tail, "@") {
		tail += ":latest"
	}
	for i := range all {
		for _, n := range all[i].Names {
			if strings.HasSuffix(n, "/"+tail) {
				found, matched = append(found, &all[i]), n
				break
			}
		}
	}
	return found, matched
}

// imageNotFound says that the store has no such image.
func imageNotFound(name string) error {
	return errdefs.NotFound("image", name).WithHint("see the local images with 'manager images', or fetch it with 'manager pull %s'", name)
}

// invalidName says that a text cannot be an image's name.
func invalidName(name string, cause error) error {
	return &errdefs.Error{Kind: "image", Name: fmt.Sprintf("%q", name), Class: errdefs.ErrInvalid, Cause: cause, Hint: nameHint(cause)}
}

// nameHint says how names are written.
func nameHint(cause error) string {
	if errors.Is(cause, errNameCase) {
		return "write the name in lower case"
	}
	return "write [REGISTRY/]NAME[:TAG] or NAME@sha256:DIGEST"
}

// ambiguous says which images a text may mean.
func ambiguous(name string, found []*storage.Image) error {
	var ids []string
	for _, rec := range found {
		label := rec.ID[:12]
		if len(rec.Names) > 0 {
			label = rec.Names[0]
		}
		ids = append(ids, label)
		if len(ids) == 5 {
			break
		}
	}
	return errdefs.New(errdefs.ErrAmbiguous, "image", name, "fits %d images: %s", len(found), strings.Join(ids, ", ")).
		WithHint("use more of the id or the full name")
}

// storeReadError wraps a failure to read the store's records.
func storeReadError(err error) error {
	return &errdefs.Error{Op: "read", Kind: "image store", Class: errdefs.ErrUnavailable, Cause: err}
}
