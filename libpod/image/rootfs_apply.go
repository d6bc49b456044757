//go:build !lean

package image

import (
	"context"
	"io"
)

// ApplyRootfs puts the changes of a layer, a tar file of so many bytes, over a container's root filesystem, which is not
// mounted. It may be a stranger's: its headers are looked at, and it is unpacked inside a changed root directory.
func (s *Service) ApplyRootfs(ctx context.Context, id string, diff io.Reader, size int64) error {
	store, err := s.Store()
	if err != nil {
		return err
	}
	ctr, err := s.ours(store, id)
	if err != nil {
		return err
	}
	checked := checkLayer(readerWithContext(ctx, diff), size)
	_, err = store.ApplyDiff(layerOf(ctr), checked)
	if refused := checked.close(); err != nil && refused != nil {
		return refused
	}
	return rootfsError("change", id, err)
}
