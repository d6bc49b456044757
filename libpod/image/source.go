//go:build !lean

package image

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/shortnames"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	imgstorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"

	"github.com/manager-project/manager/pkg/errdefs"
)

// transports are the sources and destinations that images may come from and go to.
var transports = map[string]func(string) (types.ImageReference, error){
	"docker":         docker.ParseReference,
	"oci":            layout.ParseReference,
	"oci-archive":    ociarchive.ParseReference,
	"docker-archive": archive.ParseReference,
	"dir":            directory.Transport.ParseReference,
}

// parseTransport reads a reference of one of the transports.
func parseTransport(ref string) (types.ImageReference, error) {
	transport, rest := splitTransport(ref)
	parse, ok := transports[transport]
	if !ok {
		return nil, errdefs.Unsupported(transport+":", "this transport cannot be used here")
	}
	src, err := parse(rest)
	if err != nil {
		return nil, invalidName(ref, err)
	}
	return src, nil
}

// candidates lists the registries' names that a user's name may be fetched from, in the
// order in which they are tried. With several of them, enforcing mode asks the caller,
// and without an answer refuses.
func candidates(sys *types.SystemContext, name string, choose func([]string) (string, error)) ([]reference.Named, error) {
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		return nil, invalidName(name, err)
	}
	mode, err := sysregistriesv2.GetShortNameMode(sys)
	if err != nil {
		return nil, &errdefs.Error{Op: "read registries.conf", Class: errdefs.ErrInvalid, Cause: err}
	}
	// Disabled mode is the library's way to list all candidates and ask nobody.
	quiet := *sys
	disabled := types.ShortNameModeDisabled
	quiet.ShortNameMode = &disabled
	resolved, err := shortnames.Resolve(&quiet, name)
	if err != nil {
		return nil, (&errdefs.Error{Kind: "image", Name: name, Class: errdefs.ErrNotFound, Cause: oneLine(err)}).
			WithHint("write the full name, as docker.io/library/%s", name)
	}
	var names []reference.Named
	for _, c := range resolved.PullCandidates {
		names = append(names, withoutTagIfDigested(c.Value))
	}
	if len(names) < 2 || mode != types.ShortNameModeEnforcing {
		return names, nil
	}
	return choice(name, names, choose)
}

// choice lets the caller pick one of several names.
func choice(name string, names []reference.Named, choose func([]string) (string, error)) ([]reference.Named, error) {
	var texts []string
	for _, n := range names {
		texts = append(texts, n.String())
	}
	if choose == nil {
		return nil, errdefs.New(errdefs.ErrAmbiguous, "image", name, "the short name may mean %s", strings.Join(texts, ", ")).
			WithHint("write the full name")
	}
	picked, err := choose(texts)
	if err != nil {
		return nil, err
	}
	for i, t := range texts {
		if t == picked {
			return names[i : i+1], nil
		}
	}
	return nil, errdefs.New(errdefs.ErrInvalid, "image", name, "%q is none of the choices", picked)
}

// localName is the name that an image from a file gets when it carries none: that of the
// file under localhost, as in "oci:dir/tool:v1".
func localName(ref types.ImageReference) []reference.Named {
	if ref.Transport().Name() != layout.Transport.Name() && ref.Transport().Name() != directory.Transport.Name() {
		return nil
	}
	path, tag, _ := strings.Cut(ref.StringWithinTransport(), ":")
	if strings.HasPrefix(tag, "@") {
		return nil
	}
	name := strings.ToLower(filepath.Base(path))
	if tag != "" {
		if named, err := normalReference(tag); err == nil && strings.ContainsAny(tag, "/:") {
			return []reference.Named{named}
		}
		name += ":" + tag
	}
	named, err := normalReference(localDomain + "/" + name)
	if err != nil {
		return nil
	}
	return []reference.Named{named}
}

// fromStore resolves a containers-storage: reference that names another store.
func fromStore(_ context.Context, svc *Service, rest string) (types.ImageReference, error) {
	store, err := svc.Store()
	if err != nil {
		return nil, err
	}
	ref, err := imgstorage.Transport.ParseStoreReference(store, rest)
	if err != nil {
		return nil, invalidName(imgstorage.Transport.Name()+":"+rest, fmt.Errorf("%w", oneLine(err)))
	}
	return ref, nil
}
