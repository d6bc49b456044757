package image

import (
	"io"

	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/chrootarchive"
)

// PackDirectory returns what is in a directory as a tar file, with owners and extended attributes. The caller closes it.
// The directory is read inside a changed root, so that a link in it leads nowhere else.
func PackDirectory(path string) (io.ReadCloser, error) {
	return chrootarchive.Tar(path, &archive.TarOptions{Compression: archive.Uncompressed}, path)
}
