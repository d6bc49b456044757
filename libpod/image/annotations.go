//go:build !lean

package image

import (
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
)

// namesFromAnnotations reads an index entry's name. A bare tag names nothing.
func namesFromAnnotations(annotations map[string]string) []reference.Named {
	for _, key := range []string{"io.containerd.image.name", imgspec.AnnotationRefName} {
		value := annotations[key]
		if value == "" || key == imgspec.AnnotationRefName && !strings.ContainsAny(value, "/:") {
			continue
		}
		if named, err := normalReference(value); err == nil {
			return []reference.Named{named}
		}
	}
	return nil
}

// normalReference is normalName for the image library.
func normalReference(name string) (reference.Named, error) {
	full, err := normalName(name)
	if err != nil {
		return nil, err
	}
	named, err := reference.ParseNormalizedNamed(full.String())
	if err != nil {
		return nil, invalidName(name, err)
	}
	return named, nil
}

// withoutTagIfDigested drops the tag of a reference that has a digest too.
func withoutTagIfDigested(ref reference.Named) reference.Named {
	digested, ok := ref.(reference.Digested)
	if !ok {
		return ref
	}
	canonical, err := reference.WithDigest(reference.TrimNamed(ref), digested.Digest())
	if err != nil {
		return ref
	}
	return canonical
}
