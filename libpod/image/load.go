//go:build !lean

package image

import (
	"context"
	"os"

	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
)

// Load stores all images of an archive or directory under the names it gives them. An
// archive may be compressed with gzip, bzip2, xz or zstd. Images without names are
// stored nameless. When one image fails, those before it stay stored and are returned.
// Errors: ErrNotFound when there is no such file, ErrCorrupt when it holds no image or a
// damaged one, ErrInvalid for a config that cannot be used.
func (s *Service) Load(ctx context.Context, opts LoadOptions) ([]Image, error) {
	label := opts.Path
	if opts.Reader != nil {
		label = "standard input"
	}
	images, err := s.load(ctx, opts, label)
	for i := range images {
		s.changed(eventlog.Load, images[i].ID, label, nil)
	}
	return images, failure("load", label, "", err)
}

func (s *Service) load(ctx context.Context, opts LoadOptions, label string) ([]Image, error) {
	sys := s.system()
	if opts.Reader == nil {
		if st, err := os.Stat(opts.Path); err != nil {
			return nil, err
		} else if st.IsDir() {
			return s.loadDir(ctx, sys, opts.Path, label, opts.Progress)
		}
	}
	arc, err := s.openArchive(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer func() { _ = arc.Close() }()
	switch arc.kind {
	case archiveDocker:
		return s.loadDockerArchive(ctx, sys, arc.path, label, opts.Progress)
	case archiveOCI:
		dir, err := arc.unpackLayout(ctx)
		if err != nil {
			return nil, err
		}
		return s.loadLayout(ctx, sys, dir, label, opts.Progress)
	default:
		return nil, errdefs.New(errdefs.ErrCorrupt, "", "", "neither a docker archive nor an OCI archive").
			WithHint("to make an image from a file system, use 'manager import'")
	}
}

// loadDir stores the images of a directory: an OCI layout, or the dir transport's files.
func (s *Service) loadDir(ctx context.Context, sys *types.SystemContext, dir, label string, progress ProgressFunc) ([]Image, error) {
	if _, err := os.Lstat(dir + "/index.json"); err == nil {
		return s.loadLayout(ctx, sys, dir, label, progress)
	}
	if _, err := os.Lstat(dir + "/manifest.json"); err != nil {
		return nil, errdefs.New(errdefs.ErrCorrupt, "", "", "neither an OCI layout nor a directory of the dir transport").
			WithHint("name an archive, or a directory that 'manager save' or skopeo wrote")
	}
	src, err := directory.NewReference(dir)
	if err != nil {
		return nil, err
	}
	img, err := s.copyIn(ctx, transfer{sys: sys, src: src, label: label, progress: progress})
	if err != nil {
		return nil, err
	}
	return []Image{img}, nil
}

// loadLayout stores all images of an OCI layout. Blobs are opened below the directory
// only, so that a link in it leads nowhere else.
func (s *Service) loadLayout(ctx context.Context, sys *types.SystemContext, dir, label string, progress ProgressFunc) ([]Image, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	index, err := readIndex(root)
	if err != nil {
		return nil, err
	}
	reader := layout.NewReaderWithRoot(root)
	var images []Image
	for i := range index.Manifests {
		src, err := reader.NewIndexReference(root.Name(), i)
		if err != nil {
			return images, err
		}
		names := namesFromAnnotations(index.Manifests[i].Annotations)
		img, err := s.copyIn(ctx, transfer{sys: sys, src: src, label: label, names: names, progress: progress})
		if err != nil {
			return images, err
		}
		images = append(images, img)
	}
	return images, nil
}

// loadDockerArchive stores all images of an uncompressed "docker save" archive.
func (s *Service) loadDockerArchive(ctx context.Context, sys *types.SystemContext, path, label string, progress ProgressFunc) ([]Image, error) {
	reader, err := archive.NewReader(sys, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }()
	list, err := reader.List()
	if err != nil {
		return nil, err
	}
	var images []Image
	for _, refs := range list {
		if len(refs) == 0 {
			continue
		}
		names, err := archivedNames(reader, refs)
		if err != nil {
			return images, err
		}
		img, err := s.copyIn(ctx, transfer{sys: sys, src: refs[0], label: label, names: names, progress: progress})
		if err != nil {
			return images, err
		}
		images = append(images, img)
	}
	return images, nil
}

// archivedNames are the names of one image of an archive. There is a reference for each, or
// one without a name.
func archivedNames(reader *archive.Reader, refs []types.ImageReference) ([]reference.Named, error) {
	var names []reference.Named
	for _, ref := range refs {
		tags, err := reader.ManifestTagsForReference(ref)
		if err != nil {
			return nil, err
		}
		for _, tag := range tags {
			named, err := normalReference(tag)
			if err != nil {
				return nil, err
			}
			names = append(names, named)
		}
	}
	return names, nil
}
