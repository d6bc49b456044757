package image

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
)

// ListOptions say which images List returns. The zero value: those with a name, and
// nameless ones that no other image was built upon.
type ListOptions struct {
	// All adds intermediate images.
	All bool
	// Filters are "key=value" texts; see Filters for the keys. Values of one key are
	// alternatives, different keys must all hold.
	Filters []string
	// Names, if there are any, restrict the list to what these names stand for.
	Names []string
	// Containers counts the containers of this program that use an image; nil counts the
	// store's records.
	Containers func(imageID string) ([]string, error)
}

// Summary is one line of a list of images.
type Summary struct {
	Image
	// ParentID is the image that this one was built upon, or "".
	ParentID string
	// RepoDigests are "repository@digest" for every repository of a name.
	RepoDigests []string
	// Size is the size in bytes of all layers and records; layers shared with other
	// images are counted in each of them.
	Size int64
	// Labels are the image's labels.
	Labels map[string]string
	// Containers is the number of containers that use the image.
	Containers int
	// Dangling says that the image has no name.
	Dangling bool
	// Intermediate says that the image has no name and that another was built upon it.
	Intermediate bool
	// NamesHistory are names it had before, newest first.
	NamesHistory []string
	// OS and Arch are the image's platform.
	OS   string
	Arch string
	// Damaged says why the image's config cannot be used; "" when it can.
	Damaged string
}

// List returns the images of the store, newest first. An image whose config is damaged is
// listed with Damaged set, so that it can be seen and removed.
// Errors: ErrInvalid for a bad filter; ErrNotFound and ErrAmbiguous for Names.
func (s *Service) List(ctx context.Context, opts ListOptions) ([]Summary, error) {
	store, err := s.readable()
	if err != nil {
		return nil, err
	}
	listing, err := s.newListing(ctx, store, opts)
	if err != nil {
		return nil, err
	}
	filter, err := s.parseFilters(ctx, opts.Filters)
	if err != nil {
		return nil, err
	}
	var out []Summary
	for i := range listing.all {
		rec := &listing.all[i]
		if listing.only != nil && !listing.only[rec.ID] {
			continue
		}
		sum := listing.summary(ctx, s, rec)
		if sum.Intermediate && !opts.All && !filter.wantsIntermediate() {
			continue
		}
		if ok, err := filter.match(&sum); err != nil {
			return nil, err
		} else if ok {
			out = append(out, sum)
		}
	}
	slices.SortStableFunc(out, func(a, b Summary) int { return b.Created.Compare(a.Created) })
	return out, nil
}

// listing is what one List reads once for all images.
type listing struct {
	store      storage.Store
	all        []storage.Image
	only       map[string]bool
	layers     map[string]*storage.Layer
	byTop      map[string][]*storage.Image
	containers map[string]int
}

func (s *Service) newListing(ctx context.Context, store storage.Store, opts ListOptions) (*listing, error) {
	l := &listing{store: store, layers: map[string]*storage.Layer{}, byTop: map[string][]*storage.Image{}, containers: map[string]int{}}
	var err error
	if l.all, err = allImages(store); err != nil {
		return nil, storeReadError(err)
	}
	layers, err := store.Layers()
	if err != nil {
		return nil, storeReadError(err)
	}
	for i := range layers {
		l.layers[layers[i].ID] = &layers[i]
	}
	for i := range l.all {
		l.byTop[l.all[i].TopLayer] = append(l.byTop[l.all[i].TopLayer], &l.all[i])
	}
	if err := l.count(store, opts); err != nil {
		return nil, err
	}
	for _, n := range opts.Names {
		img, err := s.Resolve(ctx, n)
		if err != nil {
			return nil, err
		}
		if l.only == nil {
			l.only = map[string]bool{}
		}
		l.only[img.ID] = true
	}
	return l, nil
}

// count counts the containers of each image.
func (l *listing) count(store storage.Store, opts ListOptions) error {
	if opts.Containers == nil {
		ctrs, err := store.Containers()
		if err != nil {
			return storeReadError(err)
		}
		for i := range ctrs {
			l.containers[ctrs[i].ImageID]++
		}
		return nil
	}
	for i := range l.all {
		ids, err := opts.Containers(l.all[i].ID)
		if err != nil {
			return err
		}
		l.containers[l.all[i].ID] = len(ids)
	}
	return nil
}

// summary gathers one image.
func (l *listing) summary(ctx context.Context, s *Service, rec *storage.Image) Summary {
	sum := Summary{
		Image: fromRecord(rec, ""), Containers: l.containers[rec.ID], Dangling: len(rec.Names) == 0,
		NamesHistory: rec.NamesHistory, RepoDigests: repoDigests(rec.Names, rec.Digests), Size: l.size(rec),
	}
	cfg, err := s.Config(ctx, sum.Image)
	if err != nil {
		sum.Damaged = err.Error()
	} else {
		sum.Labels, sum.OS, sum.Arch = cfg.Labels, cfg.OS, cfg.Architecture
		if !cfg.Created.IsZero() {
			sum.Created = cfg.Created
		}
	}
	if p := parentOf(l.store, sum.Image); p != nil {
		sum.ParentID = p.ID
	}
	sum.Intermediate = sum.Dangling && l.hasChild(rec)
	return sum
}

// hasChild says whether an image was built upon rec, looking only at images that may be.
func (l *listing) hasChild(rec *storage.Image) bool {
	for i := range l.all {
		other := &l.all[i]
		if other.ID == rec.ID {
			continue
		}
		layer := l.layers[other.TopLayer]
		if layer == nil || other.TopLayer != rec.TopLayer && layer.Parent != rec.TopLayer {
			continue
		}
		if p := parentOf(l.store, fromRecord(other, "")); p != nil && p.ID == rec.ID {
			return true
		}
	}
	return false
}

// size adds up the layers' uncompressed sizes and the records of the image.
func (l *listing) size(rec *storage.Image) int64 {
	var total int64
	for _, n := range rec.BigDataSizes {
		total += n
	}
	for id := rec.TopLayer; id != ""; {
		layer := l.layers[id]
		if layer == nil {
			break
		}
		if layer.UncompressedSize > 0 {
			total += layer.UncompressedSize
		}
		id = layer.Parent
	}
	return total
}

// repoDigests combines repositories and digests.
func repoDigests(names []string, digests []digest.Digest) []string {
	var out []string
	for _, n := range names {
		repo := repository(n)
		for _, d := range digests {
			if rd := repo + "@" + d.String(); !slices.Contains(out, rd) {
				out = append(out, rd)
			}
		}
	}
	return out
}
