//go:build !lean

package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.podman.io/storage"
)

// maxManifestDepth is how deep objects and lists may be nested in a manifest; honest ones
// have five levels.
const maxManifestDepth = 32

// manifestNames are the field names that decide how a manifest is read. Go's decoder also
// takes them in another case, other readers do not.
var manifestNames = []string{
	"schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers", "history", "signatures",
	"annotations", "subject", "artifactType", "digest", "size", "urls", "data", "platform", "blobSum", "v1Compatibility",
}

// checkManifests looks at all manifests that a stored image was made from: its own and that
// of the index it was chosen from.
func checkManifests(store storage.Store, rec *storage.Image) error {
	for _, key := range rec.BigDataNames {
		if !strings.HasPrefix(key, storage.ImageDigestBigDataKey) {
			continue
		}
		raw, err := store.ImageBigData(rec.ID, key)
		if err != nil {
			return err
		}
		if err := checkManifest(raw); err != nil {
			return fmt.Errorf("manifest: %w", err)
		}
	}
	return nil
}

// checkManifest refuses a document that two readers could understand differently: one
// that is a manifest to the one and an index to the other, or that names a field twice. A
// digest or a signature would then stand for two images (CVE-2021-41190).
// Source: OCI image-spec, manifest.md and image-index.md, "mediaType".
func checkManifest(raw []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	top, err := checkValue(decoder, 0, false)
	if err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind its end")
	}
	if top == nil {
		return errors.New("it is not an object")
	}
	var doc struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return err
	}
	has := func(name string) bool { return slices.Contains(top, name) }
	index, image, old := has("manifests"), has("layers") || has("config"), has("fsLayers") || has("history")
	if index && image || index && old || image && old {
		return errors.New("it can be read as more than one kind of document")
	}
	kinds := map[string]bool{
		"application/vnd.oci.image.index.v1+json": index, "application/vnd.docker.distribution.manifest.list.v2+json": index,
		"application/vnd.oci.image.manifest.v1+json": image, "application/vnd.docker.distribution.manifest.v2+json": image,
	}
	if right, known := kinds[doc.MediaType]; known && !right {
		return fmt.Errorf("it says that it is %s and is not", doc.MediaType)
	}
	return nil
}

// checkValue reads one value and returns the names of its fields when it is an object. With
// free, the names are the author's own, as in annotations.
func checkValue(decoder *json.Decoder, depth int, free bool) (names []string, err error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil, nil
	}
	if depth == maxManifestDepth {
		return nil, fmt.Errorf("it is nested more than %d deep", maxManifestDepth)
	}
	seen := map[string]bool{}
	for decoder.More() {
		inner := free
		if delim == '{' {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			text := name.(string) // the decoder takes nothing else for a name
			if seen[text] {
				return nil, fmt.Errorf("it names the field %q twice", printable(text))
			}
			known := slices.ContainsFunc(manifestNames, func(n string) bool { return n != text && strings.EqualFold(n, text) })
			if known && !free {
				return nil, fmt.Errorf("the field %q is spelt in the wrong case", printable(text))
			}
			seen[text], names = true, append(names, text)
			inner = free || text == "annotations"
		}
		if _, err := checkValue(decoder, depth+1, inner); err != nil {
			return nil, err
		}
	}
	_, err = decoder.Token()
	if names == nil && delim == '{' {
		names = []string{}
	}
	return names, err
}
