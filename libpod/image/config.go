package image

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"

	"github.com/manager-project/manager/pkg/errdefs"
)

// maxDocument bounds a manifest or a config, in bytes: what the image library takes from
// a registry, and far above any honest one.
const maxDocument = 4 << 20

// Config is what an image says about the containers made from it. Every field is a
// wish of the image's author, already checked for shape; see configOf.
type Config struct {
	// Env are "NAME=value" entries. Entries without a name or "=" are dropped with a Warning.
	Env []string
	// Entrypoint and Cmd make up the default command.
	Entrypoint []string
	Cmd        []string
	// User is "user[:group]", names or numbers; "" means root.
	User string
	// WorkingDir is an absolute path; "" means "/".
	WorkingDir string
	// Volumes are absolute paths in the container, sorted.
	Volumes []string
	// ExposedPorts are "port/protocol", sorted.
	ExposedPorts []string
	// Labels are all labels. Those under ReservedPrefixes are here as labels and have no
	// other effect, whoever reads them.
	Labels map[string]string
	// StopSignal is a signal's name or number; "" means SIGTERM.
	StopSignal string
	// Healthcheck is the image's healthcheck, or nil.
	Healthcheck *Healthcheck
	// OnBuild are the triggers of a later build.
	OnBuild []string
	// Shell is the default shell of a build.
	Shell []string
	// Architecture, Variant and OS are the platform in Go's words.
	Architecture string
	Variant      string
	OS           string
	// Author, Comment and Created describe the image.
	Author  string
	Comment string
	Created time.Time
	// DiffIDs are the digests of the uncompressed layers, lowest first.
	DiffIDs []digest.Digest
	// History is one entry for each step of the build, oldest first.
	History []imgspec.History
	// Warnings are what was dropped or has no effect.
	Warnings []Warning
}

// Healthcheck is a command that tells whether a container works.
// Source: Docker image specification v1.2, "Healthcheck".
type Healthcheck struct {
	// Test is ["NONE"], ["CMD", arg…] or ["CMD-SHELL", command].
	Test []string `json:"Test,omitempty"`
	// Interval, Timeout, StartPeriod and StartInterval are in nanoseconds; 0 means the default.
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	// Retries is the number of failures in a row that make a container unhealthy; 0 means the default.
	Retries int `json:"Retries,omitempty"`
}

// document is the image's config as it is stored: the OCI one with Docker's additions.
type document struct {
	Created      *time.Time        `json:"created,omitempty"`
	Author       string            `json:"author,omitempty"`
	Comment      string            `json:"comment,omitempty"`
	Architecture string            `json:"architecture"`
	Variant      string            `json:"variant,omitempty"`
	OS           string            `json:"os"`
	Docker       string            `json:"docker_version,omitempty"`
	Config       documentConfig    `json:"config"`
	RootFS       imgspec.RootFS    `json:"rootfs"`
	History      []imgspec.History `json:"history,omitempty"`
}

// documentConfig is the execution part of a document.
type documentConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	Healthcheck  *Healthcheck        `json:"Healthcheck,omitempty"`
	OnBuild      []string            `json:"OnBuild,omitempty"`
	Shell        []string            `json:"Shell,omitempty"`
}

// Config reads the image's config from the store, with one read, and checks it.
// Errors: ErrCorrupt when the stored bytes do not have the digest they should have or are
// no config; ErrInvalid for a config that no container may be made from; ErrUnsupported
// for an index, which has no config.
func (s *Service) Config(ctx context.Context, img Image) (Config, error) {
	doc, err := s.document(ctx, img)
	if err != nil {
		return Config{}, err
	}
	cfg, err := configOf(doc)
	if err != nil {
		return Config{}, &errdefs.Error{Kind: "image", Name: img.label(), Class: errdefs.ErrInvalid, Cause: err}
	}
	return cfg, nil
}

// label is how errors name the image.
func (i Image) label() string {
	if i.Name != "" {
		return i.Name
	}
	return i.ID
}

// document reads and verifies the stored config.
func (s *Service) document(ctx context.Context, img Image) (*document, error) {
	raw, err := s.rawConfig(ctx, img)
	if err != nil {
		return nil, err
	}
	doc := &document{}
	if err := json.Unmarshal(raw, doc); err != nil {
		return nil, corruptImage(img, fmt.Errorf("config: %w", err))
	}
	return doc, nil
}

// rawConfig is the stored config, byte for byte, with its digest checked.
func (s *Service) rawConfig(ctx context.Context, img Image) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	store, err := s.readable()
	if err != nil {
		return nil, err
	}
	want, err := configDigest(store, img)
	if err != nil {
		return nil, err
	}
	if size, ok := img.record.BigDataSizes[want.String()]; ok && size > maxDocument {
		return nil, corruptImage(img, fmt.Errorf("config of %d bytes; the most is %d", size, maxDocument))
	}
	raw, err := store.ImageBigData(img.ID, want.String())
	if err != nil {
		return nil, corruptImage(img, fmt.Errorf("config: %w", err))
	}
	if got := want.Algorithm().FromBytes(raw); got != want {
		return nil, corruptImage(img, fmt.Errorf("config has digest %s instead of %s", got, want))
	}
	return raw, nil
}

// configDigest tells under which digest the config is stored: mostly the image's own id,
// otherwise what the manifest says.
func configDigest(store storage.Store, img Image) (digest.Digest, error) {
	byID := digest.NewDigestFromEncoded(digest.SHA256, img.ID)
	for _, n := range img.record.BigDataNames {
		if n == byID.String() {
			return byID, nil
		}
	}
	raw, mime, err := storedManifest(store, img)
	if err != nil {
		return "", err
	}
	if isIndexType(mime) {
		return "", errdefs.New(errdefs.ErrUnsupported, "image", img.label(), "it is a list of images, not an image")
	}
	d, err := configOfManifest(raw)
	if err != nil {
		return "", corruptImage(img, err)
	}
	if err := d.Validate(); err != nil {
		return "", corruptImage(img, fmt.Errorf("config digest %q: %w", d, err))
	}
	return d, nil
}

// storedManifest reads the image's manifest and tells its media type.
func storedManifest(store storage.Store, img Image) (raw []byte, mime string, err error) {
	raw, err = store.ImageBigData(img.ID, storage.ImageDigestBigDataKey)
	if err != nil {
		return nil, "", corruptImage(img, fmt.Errorf("manifest: %w", err))
	}
	return raw, manifestType(raw), nil
}

// corruptImage says that the store's copy of an image is damaged.
func corruptImage(img Image, cause error) error {
	return (&errdefs.Error{Kind: "image", Name: img.label(), Class: errdefs.ErrCorrupt, Cause: cause}).
		WithHint("pull or load the image again")
}
