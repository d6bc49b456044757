package image

import (
	"encoding/json"
	"errors"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of Docker's documents. Source: distribution, manifest-v2-2.md and manifest-v2-1.md.
const (
	dockerManifest   = "application/vnd.docker.distribution.manifest.v2+json"
	dockerIndex      = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig     = "application/vnd.docker.container.image.v1+json"
	dockerOld        = "application/vnd.docker.distribution.manifest.v1+json"
	dockerOldWithJWS = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// manifestHead is what tells the kind of a manifest, and where its config is.
type manifestHead struct {
	MediaType     string               `json:"mediaType"`
	SchemaVersion int                  `json:"schemaVersion"`
	Signatures    json.RawMessage      `json:"signatures"`
	Config        imgspec.Descriptor   `json:"config"`
	Manifests     []imgspec.Descriptor `json:"manifests"`
}

// manifestType is the media type of a stored manifest: what it says itself, and for those
// that say nothing, which OCI allowed before 1.0.2, what they look like; "" when it is none.
// A test holds it to the image library's answers.
func manifestType(raw []byte) string {
	var m manifestHead
	if json.Unmarshal(raw, &m) != nil {
		return ""
	}
	switch m.MediaType {
	case dockerManifest, dockerIndex, imgspec.MediaTypeImageManifest, imgspec.MediaTypeImageIndex:
		return m.MediaType
	}
	switch {
	case m.SchemaVersion == 1 && (len(m.Signatures) == 0 || string(m.Signatures) == "null"):
		return dockerOld
	case m.SchemaVersion == 1:
		return dockerOldWithJWS
	case m.SchemaVersion != 2:
		return ""
	}
	switch m.Config.MediaType {
	case imgspec.MediaTypeImageConfig:
		return imgspec.MediaTypeImageManifest
	case dockerConfig:
		return dockerManifest
	}
	if len(m.Manifests) == 0 {
		return imgspec.MediaTypeImageManifest
	}
	if m.Config.MediaType == "" {
		return imgspec.MediaTypeImageIndex
	}
	return m.Config.MediaType
}

// isIndexType says that a media type is that of a list of manifests.
func isIndexType(mime string) bool {
	return mime == dockerIndex || mime == imgspec.MediaTypeImageIndex
}

// configOfManifest is the digest of the config that a manifest names. Docker's old ones name none.
func configOfManifest(raw []byte) (digest.Digest, error) {
	var m manifestHead
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", err
	}
	if m.SchemaVersion == 1 {
		return "", errors.New("a manifest of Docker's first format, which has no config")
	}
	return m.Config.Digest, nil
}
