//go:build !lean

package image

import (
	"context"
	"io"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"
)

// endable makes the reading of a file's blobs end with the context. Those of registries do by
// themselves, and lose abilities when they are wrapped.
func endable(src types.ImageReference) types.ImageReference {
	if src.Transport().Name() == docker.Transport.Name() {
		return src
	}
	return endableReference{src}
}

type endableReference struct{ types.ImageReference }

// NewImageSource implements types.ImageReference.
func (r endableReference) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	src, err := r.ImageReference.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	return endableSource{src}, nil
}

type endableSource struct{ types.ImageSource }

// GetBlob implements types.ImageSource.
func (s endableSource) GetBlob(ctx context.Context, info types.BlobInfo, cache types.BlobInfoCache) (io.ReadCloser, int64, error) {
	blob, size, err := s.ImageSource.GetBlob(ctx, info, cache)
	if err != nil {
		return nil, 0, err
	}
	return endableBlob{readerWithContext(ctx, blob), blob}, size, nil
}

type endableBlob struct {
	io.Reader
	io.Closer
}
