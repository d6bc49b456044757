package image

import (
	"fmt"
	"slices"
	"testing"

	"go.podman.io/storage"
)

// namesStore knows names and notes what an image is made with.
type namesStore struct {
	storage.Store
	taken []string // by other images
	late  bool     // taken by them only after they were asked for
	made  [][]string
}

func (s *namesStore) Image(id string) (*storage.Image, error) {
	if !s.late && slices.Contains(s.taken, id) {
		return &storage.Image{}, nil
	}
	return nil, fmt.Errorf("locating image with ID %q: %w", id, storage.ErrImageUnknown)
}

func (s *namesStore) CreateImage(_ string, names []string, _, _ string, _ *storage.ImageOptions) (*storage.Image, error) {
	s.made = append(s.made, names)
	for _, n := range names {
		if slices.Contains(s.taken, n) {
			return nil, storage.ErrDuplicateName
		}
	}
	return &storage.Image{Names: names}, nil
}

// TestImageIsMadeWithItsName: there is no moment in which a new image has no name, unless another has it.
func TestImageIsMadeWithItsName(t *testing.T) {
	for name, c := range map[string]struct {
		store namesStore
		name  string
		want  []string
	}{
		"free":         {name: "a", want: []string{"a"}},
		"nameless":     {},
		"taken":        {store: namesStore{taken: []string{"a"}}, name: "a"},
		"taken by now": {store: namesStore{taken: []string{"a"}, late: true}, name: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			img, err := guardedStore{Store: &c.store, name: c.name}.CreateImage("id", nil, "", "", nil)
			if err != nil || !slices.Equal(img.Names, c.want) {
				t.Errorf("%v, %v; made with %v", img, err, c.store.made)
			}
		})
	}
}
