package image

import (
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
)

// localDomain is the registry part of names that belong to no registry.
const localDomain = "localhost"

// normalName makes a full name out of what a user or an archive calls an image: without a
// registry it belongs to localhost, without tag and digest it is the latest.
func normalName(name string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, invalidName(name, err)
	}
	if !hasRegistry(name) {
		if named, err = reference.ParseNormalizedNamed(localDomain + "/" + name); err != nil {
			return nil, invalidName(name, err)
		}
	}
	return withoutTagIfDigested(reference.TagNameOnly(named)), nil
}

// hasRegistry says whether the first part of a name is a registry: it has a dot or a
// port, or is "localhost". Source: distribution reference grammar, "domain".
func hasRegistry(name string) bool {
	first, _, ok := strings.Cut(name, "/")
	return ok && (strings.ContainsAny(first, ".:") || first == localDomain)
}

// namesFromAnnotations reads an index entry's name. A bare tag names nothing.
func namesFromAnnotations(annotations map[string]string) []reference.Named {
	for _, key := range []string{"io.containerd.image.name", imgspec.AnnotationRefName} {
		value := annotations[key]
		if value == "" || key == imgspec.AnnotationRefName && !strings.ContainsAny(value, "/:") {
			continue
		}
		if named, err := normalName(value); err == nil {
			return []reference.Named{named}
		}
	}
	return nil
}

// repository is a full name without tag and digest.
func repository(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return named.Name()
}

// SplitName cuts a full name into repository and tag, as lists show them. Without a tag
// the second is "<none>".
func SplitName(name string) (repo, tag string) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name, "<none>"
	}
	if tagged, ok := named.(reference.Tagged); ok {
		return named.Name(), tagged.Tag()
	}
	return named.Name(), "<none>"
}
