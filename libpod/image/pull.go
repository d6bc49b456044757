//go:build !lean

package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
)

// HasTransfers says whether this program was built with transfers.
const HasTransfers = true

// Pull fetches an image, or finds it in the store, as the policy says. name is a name or
// short name, or "transport:reference" with docker, oci, oci-archive, docker-archive, dir
// or containers-storage. More than one image results from AllTags and from archives.
// Errors: ErrInvalid for a name, ErrNotFound, ErrPermission for credentials or
// policy.json, ErrCorrupt for wrong digests, ErrUnavailable for the network.
func (s *Service) Pull(ctx context.Context, name string, opts PullOptions) ([]Image, error) {
	sys := s.system()
	opts.apply(sys)
	opts.Platform.apply(sys)
	transport, rest := splitTransport(name)
	switch transport {
	case "", "docker":
		rest = trimDocker(rest)
		if opts.AllTags {
			return s.pullAllTags(ctx, sys, rest, opts)
		}
		img, err := s.pullName(ctx, sys, rest, transport == "docker", opts)
		if err != nil {
			return nil, err
		}
		return []Image{img}, nil
	}
	if opts.AllTags {
		return nil, errdefs.Unsupported("--all-tags", "only registries list tags")
	}
	images, err := s.pullFile(ctx, sys, name, transport, rest, opts)
	for i := range images {
		s.changed(eventlog.Pull, images[i].ID, images[i].Name, nil)
	}
	if err = failure("pull", name, "", err); err != nil {
		s.changed(eventlog.PullError, "", name, err)
	}
	return images, err
}

// trimDocker cuts the slashes of "docker://name".
func trimDocker(rest string) string {
	if len(rest) > 2 && rest[:2] == "//" {
		return rest[2:]
	}
	return rest
}

// pullFile fetches from a file or directory. Policies do not matter: the file is there.
func (s *Service) pullFile(ctx context.Context, sys *types.SystemContext, name, transport, rest string, opts PullOptions) ([]Image, error) {
	switch transport {
	case "containers-storage":
		ref, err := fromStore(ctx, s, rest)
		if err != nil {
			return nil, err
		}
		named := ref.DockerReference()
		if named == nil {
			img, err := s.Resolve(ctx, rest)
			return []Image{img}, err
		}
		img, err := s.Resolve(ctx, named.String())
		return []Image{img}, err
	case "docker-archive", "oci-archive":
		path, tag := splitArchive(rest)
		if tag == "" {
			return s.load(ctx, LoadOptions{Path: path, Progress: opts.Progress}, path)
		}
	}
	src, err := parseTransport(name)
	if err != nil {
		return nil, err
	}
	names := localName(src)
	if named := src.DockerReference(); named != nil {
		names = []reference.Named{named}
	}
	img, err := s.copyIn(ctx, transfer{sys: sys, src: src, label: name, names: names, progress: opts.Progress})
	if err != nil {
		return nil, err
	}
	return []Image{img}, nil
}

// splitArchive cuts "path[:name]" of an archive transport.
func splitArchive(rest string) (path, tag string) {
	for i := range rest {
		if rest[i] == ':' {
			return rest[:i], rest[i+1:]
		}
	}
	return rest, ""
}

// pullName fetches one image from a registry, or finds it, by policy. exact names are
// tried as they are; others are completed as registries.conf says.
func (s *Service) pullName(ctx context.Context, sys *types.SystemContext, name string, exact bool, opts PullOptions) (Image, error) {
	policy := opts.Policy
	if policy == "" {
		policy = PullMissing
	}
	local, err := s.resolvePlatform(ctx, name, opts.Platform)
	found := err == nil
	switch {
	case err != nil && !errors.Is(err, errdefs.ErrNotFound):
		return Image{}, err
	case found && (policy == PullMissing || policy == PullNever):
		return local, nil
	}
	if !found {
		if img, ok, err := s.builtin(ctx, name, opts.Progress); ok {
			return img, err
		}
	}
	if !found && policy == PullNever {
		return Image{}, err
	}
	names, err := pullNames(sys, name, exact, local, found, opts)
	if err != nil {
		return Image{}, err
	}
	var failures []error
	for _, n := range names {
		img, err := s.pullFrom(ctx, sys, n, local, policy == PullNewer && found, opts)
		if err == nil {
			return img, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	if policy == PullNewer && found && ctx.Err() == nil {
		return local, nil
	}
	return Image{}, joinFailures(name, failures)
}

// pullNames lists what to ask for. A name that the store knows by its full form is asked
// for by that.
func pullNames(sys *types.SystemContext, name string, exact bool, local Image, found bool, opts PullOptions) ([]reference.Named, error) {
	if found && local.Name != "" && !exact {
		if named, err := reference.ParseNormalizedNamed(local.Name); err == nil && reference.Domain(named) != localDomain {
			return []reference.Named{named}, nil
		}
	}
	if !exact {
		return candidates(sys, name, opts.Choose)
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, invalidName(name, err)
	}
	return []reference.Named{withoutTagIfDigested(reference.TagNameOnly(named))}, nil
}

// pullFrom fetches one fully named image, with retries. With newer, an unchanged image is
// not fetched again.
func (s *Service) pullFrom(ctx context.Context, sys *types.SystemContext, named reference.Named, local Image, newer bool, opts PullOptions) (Image, error) {
	label, host := named.String(), reference.Domain(named)
	src, err := docker.NewReference(named)
	if err != nil {
		return Image{}, invalidName(label, err)
	}
	opts.Progress.send(Event{Kind: EventTrying, Name: label})
	sys = guarded(sys, named)
	var img Image
	err = opts.retry(ctx, label, opts.Progress, func() error {
		if newer {
			var remote digest.Digest
			err := withHeapBound(ctx, maxPullGrowth, func(ctx context.Context) (err error) {
				remote, err = docker.GetDigest(ctx, sys, src)
				return err
			})
			if err != nil {
				return err
			}
			if slices.Contains(local.Digests, remote) {
				img = local
				return nil
			}
		}
		return withHeapBound(ctx, maxPullGrowth, func(ctx context.Context) (err error) {
			img, err = s.copyIn(ctx, transfer{sys: sys, src: src, label: label, names: []reference.Named{named}, progress: opts.Progress})
			return err
		})
	})
	if err != nil {
		err = failure("pull", label, host, err)
		s.changed(eventlog.PullError, "", label, err)
		return Image{}, err
	}
	s.changed(eventlog.Pull, img.ID, label, nil)
	return img, nil
}

// pullAllTags fetches every tag of a repository.
func (s *Service) pullAllTags(ctx context.Context, sys *types.SystemContext, name string, opts PullOptions) ([]Image, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, invalidName(name, err)
	}
	if !reference.IsNameOnly(named) {
		return nil, errdefs.Invalid("--all-tags", name, "the name must have neither tag nor digest")
	}
	names, err := candidates(sys, name, opts.Choose)
	if err != nil {
		return nil, err
	}
	repo := reference.TrimNamed(names[0])
	src, err := docker.NewReference(reference.TagNameOnly(repo))
	if err != nil {
		return nil, invalidName(name, err)
	}
	var tags []string
	err = opts.retry(ctx, repo.String(), opts.Progress, func() error {
		return withHeapBound(ctx, maxTagsGrowth, func(ctx context.Context) error {
			tags, err = docker.GetRepositoryTags(ctx, guarded(sys, repo), src)
			return err
		})
	})
	if err != nil {
		return nil, failure("pull", repo.String(), reference.Domain(repo), err)
	}
	var images []Image
	for _, tag := range tags {
		tagged, err := reference.WithTag(repo, tag)
		if err != nil {
			return images, invalidName(tag, err)
		}
		img, err := s.pullFrom(ctx, sys, tagged, Image{}, false, opts)
		if err != nil {
			return images, err
		}
		images = append(images, img)
	}
	return images, nil
}

// joinFailures makes one error out of the failures of all candidates: the one that says
// most, with the number of the others.
func joinFailures(name string, failures []error) error {
	if len(failures) == 0 {
		return imageNotFound(name)
	}
	best := failures[0]
	for _, class := range []error{errdefs.ErrNotFound, errdefs.ErrUnavailable, errdefs.ErrPermission, errdefs.ErrCorrupt} {
		for _, f := range failures {
			if errors.Is(f, class) {
				best = f
				break
			}
		}
	}
	if len(failures) == 1 {
		return best
	}
	return fmt.Errorf("%w (%d other names were tried too)", best, len(failures)-1)
}
