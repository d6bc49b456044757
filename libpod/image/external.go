package image

import (
	"context"
	"time"

	"go.podman.io/storage"
)

// External lists the containers in the store that other programs made, as ids and names.
func (s *Service) External(ctx context.Context) ([]ExternalContainer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	store, err := s.readable()
	if err != nil {
		return nil, err
	}
	records, err := store.Containers()
	if err != nil {
		return nil, storeReadError(err)
	}
	var out []ExternalContainer
	for i := range records {
		if !isOurs(&records[i]) {
			out = append(out, externalOf(&records[i]))
		}
	}
	return out, nil
}

// ExternalContainer is a container of another program in the shared store.
type ExternalContainer struct {
	ID      string
	Names   []string
	ImageID string
	Created time.Time
}

func externalOf(rec *storage.Container) ExternalContainer {
	return ExternalContainer{ID: rec.ID, Names: rec.Names, ImageID: rec.ImageID, Created: rec.Created}
}
