//go:build !lean

package image

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	imgstorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/undo"
)

// Save writes images to an archive or a directory. Nothing is left at Output on failure.
// Errors: ErrNotFound, ErrAmbiguous, ErrInvalid for options that do not fit together,
// ErrExists for a directory that is not empty.
func (s *Service) Save(ctx context.Context, names []string, opts SaveOptions) error {
	if opts.Format == "" {
		opts.Format = FormatDockerArchive
	}
	if err := opts.check(names); err != nil {
		return err
	}
	var images []savedImage
	for _, n := range names {
		img, err := s.Resolve(ctx, n)
		if err != nil {
			return err
		}
		images = addSaved(images, img, n, opts.MultiImage)
	}
	if err := s.save(ctx, images, opts); err != nil {
		return failure("save", strings.Join(names, " "), "", err)
	}
	for i := range images {
		s.changed(eventlog.Save, images[i].img.ID, opts.Output, nil)
	}
	return nil
}

// savedImage is an image with the tags it gets in the archive.
type savedImage struct {
	img  Image
	tags []reference.NamedTagged
}

// addSaved adds a name: to the image it means, or as a further tag of the first image.
func addSaved(images []savedImage, img Image, name string, multi bool) []savedImage {
	var tags []reference.NamedTagged
	if named, err := reference.ParseNormalizedNamed(img.Name); img.Name != "" && err == nil {
		if tagged, ok := named.(reference.NamedTagged); ok {
			tags = append(tags, tagged)
		}
	}
	for i := range images {
		if images[i].img.ID == img.ID || !multi {
			if len(tags) == 0 {
				if named, err := normalReference(name); err == nil {
					if tagged, ok := named.(reference.NamedTagged); ok && img.Name != "" {
						tags = append(tags, tagged)
					}
				}
			}
			images[i].tags = append(images[i].tags, tags...)
			return images
		}
	}
	return append(images, savedImage{img, tags})
}

// check refuses options that do not fit together.
func (o SaveOptions) check(names []string) error {
	switch o.Format {
	case FormatDockerArchive, FormatOCIArchive, FormatOCIDir, FormatDockerDir:
	default:
		return errdefs.Invalid("--format", o.Format, "it is not docker-archive, oci-archive, oci-dir or docker-dir")
	}
	dir := o.Format == FormatOCIDir || o.Format == FormatDockerDir
	switch {
	case len(names) == 0:
		return errdefs.Invalid("save", "", "no image was named")
	case len(names) > 1 && o.Format != FormatDockerArchive:
		return errdefs.Invalid("--format", o.Format, "only docker-archive holds several images or names")
	case (o.Output == "") == (o.Writer == nil):
		return errdefs.Invalid("--output", o.Output, "either a path or a stream is wanted")
	case dir && o.Writer != nil:
		return errdefs.Invalid("--output", "", "format %s needs a directory", o.Format)
	case o.Compress && o.Format != FormatDockerDir:
		return errdefs.Invalid("--compress", "true", "only format docker-dir can be compressed")
	case o.Uncompressed && o.Format != FormatOCIDir && o.Format != FormatOCIArchive:
		return errdefs.Invalid("--uncompressed", "true", "layers are uncompressed in OCI formats only")
	}
	return nil
}

// savePrefix begins the name of the directory in which an output is made.
const savePrefix = ".manager-save-"

// save writes beside the output and renames.
func (s *Service) save(ctx context.Context, images []savedImage, opts SaveOptions) (err error) {
	var clean undo.Stack
	defer func() { err = errors.Join(err, clean.Run()) }()
	base := filepath.Dir(opts.Output)
	if opts.Writer != nil {
		base = s.tempBase()
	}
	if st, err := os.Stat(opts.Output); err == nil && opts.Output != "" {
		if err := checkTarget(opts, st); err != nil {
			return err
		}
	}
	work, err := newScratch(base, savePrefix)
	if err != nil {
		return err
	}
	clean.Add(work.remove)
	out := filepath.Join(work.path, "image")
	if err := s.writeImages(ctx, images, out, opts); err != nil {
		return err
	}
	fault.Point("save: written")
	if opts.Writer != nil {
		return sendFile(ctx, opts.Writer, out)
	}
	if err := os.Chmod(out, outputMode(opts)); err != nil {
		return err
	}
	if err := syncTree(out); err != nil {
		return err
	}
	if err := os.Rename(out, opts.Output); err != nil {
		return err
	}
	fault.Point("save: in place")
	return syncFile(base)
}

// syncTree puts a file, or a directory with all its files, on the disk, so that what has the output's
// name after a power cut is whole.
func syncTree(path string) error {
	return filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncFile(path)
	})
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// checkTarget looks at an output that exists already.
func checkTarget(opts SaveOptions, st os.FileInfo) error {
	dir := opts.Format == FormatOCIDir || opts.Format == FormatDockerDir
	if dir != st.IsDir() {
		return errdefs.New(errdefs.ErrExists, "", opts.Output, "it exists and is not what format %s writes", opts.Format).WithHint("name another output, or another --format")
	}
	if !dir {
		return nil
	}
	entries, err := os.ReadDir(opts.Output)
	if err == nil && len(entries) > 0 {
		return errdefs.New(errdefs.ErrExists, "", opts.Output, "the directory is not empty").WithHint("name a new directory")
	}
	return err
}

// outputMode is the mode of a finished output.
func outputMode(opts SaveOptions) os.FileMode {
	if opts.Format == FormatOCIDir || opts.Format == FormatDockerDir {
		return 0o755
	}
	return 0o644
}

// sendFile copies the finished archive to the caller's stream.
func sendFile(ctx context.Context, w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(w, readerWithContext(ctx, f))
	return err
}

// writeImages writes all images to path.
func (s *Service) writeImages(ctx context.Context, images []savedImage, path string, opts SaveOptions) error {
	if opts.Format == FormatDockerArchive {
		sys := s.system()
		w, err := archive.NewWriter(sys, path)
		if err != nil {
			return err
		}
		for _, img := range images {
			if err := s.writeToArchive(ctx, w, img, opts); err != nil {
				return errors.Join(err, w.Close())
			}
		}
		return w.Close()
	}
	sys, mime := s.system(), imgManifestOCI
	var dest types.ImageReference
	var err error
	switch name := refName(images[0]); opts.Format {
	case FormatOCIArchive:
		dest, err = ociarchive.NewReference(path, name)
	case FormatOCIDir:
		dest, err = layout.NewReference(path, name)
	case FormatDockerDir:
		dest, err = directory.NewReference(path)
		sys.DirForceCompress, mime = opts.Compress, manifest.DockerV2Schema2MediaType
	}
	if err != nil {
		return err
	}
	sys.OCIAcceptUncompressedLayers = opts.Uncompressed
	return s.copyOut(ctx, images[0].img, dest, copy.Options{DestinationCtx: sys, ForceManifestMIMEType: mime}, opts.Progress)
}

// refName is the name in a layout's index.
func refName(img savedImage) string {
	if len(img.tags) == 0 {
		return ""
	}
	return img.tags[0].String()
}

// writeToArchive adds one image to a docker archive.
func (s *Service) writeToArchive(ctx context.Context, w *archive.Writer, img savedImage, opts SaveOptions) error {
	var first reference.NamedTagged
	sys := s.system()
	if len(img.tags) > 0 {
		first, sys.DockerArchiveAdditionalTags = img.tags[0], img.tags[1:]
	}
	dest, err := w.NewReference(first)
	if err != nil {
		return err
	}
	return s.copyOut(ctx, img.img, dest, copy.Options{DestinationCtx: sys}, opts.Progress)
}

// copyOut copies an image of the store somewhere else. Signatures do not fit into
// archives and layouts; those of the store are left out.
func (s *Service) copyOut(ctx context.Context, img Image, dest types.ImageReference, options copy.Options, progress ProgressFunc) error {
	store, err := s.Store()
	if err != nil {
		return err
	}
	src, err := imgstorage.Transport.NewStoreReference(store, nil, img.ID)
	if err != nil {
		return err
	}
	sys := s.system()
	policy, err := localPolicyContext()
	if err != nil {
		return err
	}
	defer func() { _ = policy.Destroy() }()
	ch, stop := progress.channel(img.label())
	defer stop()
	options.SourceCtx, options.Progress, options.ProgressInterval = sys, ch, progressInterval
	options.MaxParallelDownloads = parallelBlobs
	if dest.Transport().Name() != dockerTransportName {
		options.RemoveSignatures = true
	}
	_, err = copy.Image(ctx, policy, dest, src, &options)
	return err
}
