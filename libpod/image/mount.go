package image

import (
	"context"
	"errors"

	"go.podman.io/storage"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Mount mounts an image's file system read-only and returns its absolute path. Each call
// must be met by one Unmount. mountLabel is an SELinux label; "" means none.
//
// The vfs driver mounts nothing: there the path is the layer's own directory, and a caller
// that hands it to a container must bind it read-only.
func (s *Service) Mount(ctx context.Context, name, mountLabel string) (string, error) {
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return "", err
	}
	store, err := s.Store()
	if err != nil {
		return "", err
	}
	path, err := store.MountImage(img.ID, []string{"ro"}, mountLabel)
	return path, failure("mount", name, "", err)
}

// Unmount takes back one Mount, or with force all of them. It says whether the image is
// still mounted. Errors: ErrState when it was not mounted.
func (s *Service) Unmount(ctx context.Context, name string, force Force) (still bool, err error) {
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return false, err
	}
	store, err := s.Store()
	if err != nil {
		return false, err
	}
	if layer, err := store.Layer(img.TopLayer); img.TopLayer == "" || err == nil && layer.MountCount == 0 && len(img.record.MappedTopLayers) == 0 {
		return false, errdefs.New(errdefs.ErrState, "image", name, "it is not mounted")
	}
	still, err = store.UnmountImage(img.ID, bool(force))
	if errors.Is(err, storage.ErrLayerNotMounted) {
		return false, errdefs.New(errdefs.ErrState, "image", name, "it is not mounted")
	}
	return still, failure("unmount", name, "", err)
}

// Force says whether an operation overrides what would stop it.
type Force bool

// Mounted tells where images are mounted.
type Mounted struct {
	Image
	// Path is the absolute mount point.
	Path string
}

// Mounts lists the images that are mounted.
func (s *Service) Mounts(ctx context.Context) ([]Mounted, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	images, err := allImages(store)
	if err != nil {
		return nil, storeReadError(err)
	}
	var out []Mounted
	for i := range images {
		for _, id := range append([]string{images[i].TopLayer}, images[i].MappedTopLayers...) {
			if id == "" {
				continue
			}
			layer, err := store.Layer(id)
			if err == nil && layer.MountCount > 0 {
				out = append(out, Mounted{Image: fromRecord(&images[i], ""), Path: layer.MountPoint})
				break
			}
		}
	}
	return out, nil
}
