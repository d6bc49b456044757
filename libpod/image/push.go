//go:build !lean

package image

import (
	"context"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	imgstorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
)

const (
	imgManifestOCI      = imgspec.MediaTypeImageManifest
	dockerTransportName = "docker"
)

// Push sends an image to a registry, or to "transport:destination" with docker, oci,
// oci-archive, docker-archive or dir. dest "" means the image's own name. It returns the
// digest of the manifest that was written.
// Errors: ErrInvalid for names and options, ErrNotFound for the image, ErrPermission when the
// registry refuses, ErrUnavailable for the network.
func (s *Service) Push(ctx context.Context, name, dest string, opts PushOptions) (digest.Digest, error) {
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return "", err
	}
	if dest == "" {
		if dest = img.Name; dest == "" {
			return "", errdefs.New(errdefs.ErrInvalid, "image", name, "it has no name to push it to").WithHint("name a destination")
		}
	}
	target, host, err := pushTarget(dest)
	if err != nil {
		return "", err
	}
	sys := s.system()
	opts.apply(sys)
	if host != "" {
		sys = guarded(sys, target.DockerReference())
	}
	options, err := opts.copyOptions(sys)
	if err != nil {
		return "", err
	}
	var pushed digest.Digest
	err = opts.retry(ctx, dest, opts.Progress, func() error {
		return withHeapBound(ctx, maxPushGrowth, func(ctx context.Context) (err error) {
			pushed, err = s.pushOnce(ctx, img, target, options, opts.Progress)
			return err
		})
	})
	if err != nil {
		return pushed, failure("push", dest, host, err)
	}
	s.changed(eventlog.Push, img.ID, dest, nil)
	return pushed, nil
}

// pushTarget reads a destination; one without a transport is a registry's.
func pushTarget(dest string) (ref types.ImageReference, host string, err error) {
	transport, rest := splitTransport(dest)
	if transport != "" && transport != dockerTransportName {
		ref, err = parseTransport(dest)
		return ref, "", err
	}
	named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(rest, "//"))
	if err != nil {
		return nil, "", invalidName(dest, err)
	}
	if transport == "" && !hasRegistry(rest) {
		return nil, "", errdefs.New(errdefs.ErrInvalid, "image", dest, "a destination needs a registry").
			WithHint("for Docker Hub write docker.io/%s", rest)
	}
	ref, err = docker.NewReference(reference.TagNameOnly(named))
	if err != nil {
		return nil, "", invalidName(dest, err)
	}
	return ref, reference.Domain(named), nil
}

// copyOptions translates the options for the image library.
func (o PushOptions) copyOptions(sys *types.SystemContext) (*copy.Options, error) {
	options := &copy.Options{
		DestinationCtx: sys, RemoveSignatures: o.RemoveSignatures, SignBy: o.SignBy,
		SignBySigstorePrivateKeyFile: o.SignBySigstoreKey, SignSigstorePrivateKeyPassphrase: o.SignPassphrase,
		SignPassphrase: string(o.SignPassphrase), ForceCompressionFormat: o.ForceCompression,
	}
	mime, ok := map[string]string{
		"": "", "oci": imgManifestOCI, "v2s2": manifest.DockerV2Schema2MediaType,
		"docker": manifest.DockerV2Schema2MediaType, "v2s1": manifest.DockerV2Schema1SignedMediaType,
	}[o.Format]
	if !ok {
		return nil, errdefs.Invalid("--format", o.Format, "it is not oci, v2s2 or v2s1")
	}
	options.ForceManifestMIMEType = mime
	sys.DirForceCompress = o.Compress
	format := o.CompressionFormat
	if format == "" && (o.CompressionLevel != nil || o.ForceCompression) {
		format = compression.Gzip.Name()
	}
	if format != "" {
		algorithm, err := compression.AlgorithmByName(format)
		if err != nil {
			return nil, errdefs.Invalid("--compression-format", format, "it is not gzip, zstd or zstd:chunked")
		}
		sys.CompressionFormat, sys.CompressionLevel = &algorithm, o.CompressionLevel
	}
	return options, nil
}

// pushOnce copies the image and computes the digest of the written manifest.
func (s *Service) pushOnce(ctx context.Context, img Image, dest types.ImageReference, options *copy.Options, progress ProgressFunc) (digest.Digest, error) {
	store, err := s.Store()
	if err != nil {
		return "", err
	}
	src, err := imgstorage.Transport.NewStoreReference(store, nil, img.ID)
	if err != nil {
		return "", err
	}
	policy, err := localPolicyContext()
	if err != nil {
		return "", err
	}
	defer func() { _ = policy.Destroy() }()
	ch, stop := progress.channel(img.label())
	defer stop()
	once := *options
	once.SourceCtx, once.Progress, once.ProgressInterval = s.system(), ch, progressInterval
	raw, err := copy.Image(ctx, policy, dest, src, &once)
	if err != nil {
		return "", err
	}
	d, err := manifest.Digest(raw)
	if err != nil {
		return "", errors.Join(errdefs.ErrCorrupt, err)
	}
	return d, nil
}
