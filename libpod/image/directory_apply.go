//go:build !lean

package image

import (
	"context"
	"io"

	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/chrootarchive"
)

// UnpackDirectory unpacks a tar file of so many bytes in a directory. It may be a stranger's, as ApplyRootfs's.
func UnpackDirectory(ctx context.Context, path string, from io.Reader, size int64) error {
	checked := checkLayer(readerWithContext(ctx, from), size)
	err := chrootarchive.UntarUncompressed(checked, path, &archive.TarOptions{})
	if refused := checked.close(); err != nil && refused != nil {
		return refused
	}
	return err
}
