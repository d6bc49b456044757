package image

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"
)

// Inspection is all that is known about an image. Its JSON form is that of Podman's
// "image inspect".
type Inspection struct {
	ID           string            `json:"Id"`
	Digest       digest.Digest     `json:"Digest"`
	RepoTags     []string          `json:"RepoTags"`
	RepoDigests  []string          `json:"RepoDigests"`
	Parent       string            `json:"Parent"`
	Comment      string            `json:"Comment"`
	Created      *time.Time        `json:"Created"`
	Config       InspectConfig     `json:"Config"`
	Version      string            `json:"Version"`
	Author       string            `json:"Author"`
	Architecture string            `json:"Architecture"`
	Variant      string            `json:"Variant,omitempty"`
	OS           string            `json:"Os"`
	Size         int64             `json:"Size"`
	VirtualSize  int64             `json:"VirtualSize"`
	GraphDriver  GraphDriver       `json:"GraphDriver"`
	RootFS       InspectRootFS     `json:"RootFS"`
	Labels       map[string]string `json:"Labels"`
	Annotations  map[string]string `json:"Annotations"`
	ManifestType string            `json:"ManifestType"`
	User         string            `json:"User"`
	History      []imgspec.History `json:"History"`
	NamesHistory []string          `json:"NamesHistory"`
	Healthcheck  *Healthcheck      `json:"Healthcheck,omitempty"`
}

// InspectConfig is the execution part of the config, as stored.
type InspectConfig = documentConfig

// GraphDriver says where the storage driver keeps the uppermost layer.
type GraphDriver struct {
	Name string            `json:"Name"`
	Data map[string]string `json:"Data"`
}

// InspectRootFS lists the digests of the uncompressed layers, lowest first.
type InspectRootFS struct {
	Type   string          `json:"Type"`
	Layers []digest.Digest `json:"Layers"`
}

// Inspect gathers what is known about an image.
// Errors: those of Resolve and Config.
func (s *Service) Inspect(ctx context.Context, name string) (*Inspection, error) {
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	doc, err := s.document(ctx, img)
	if err != nil {
		return nil, err
	}
	store, err := s.readable()
	if err != nil {
		return nil, err
	}
	l, err := s.newListing(ctx, store, ListOptions{})
	if err != nil {
		return nil, err
	}
	ins := &Inspection{
		ID: img.ID, Digest: img.Digest, RepoTags: nonNil(img.Names), RepoDigests: nonNil(repoDigests(img.Names, img.Digests)),
		Comment: doc.Comment, Created: doc.Created, Config: doc.Config, Version: doc.Docker, Author: doc.Author,
		Architecture: doc.Architecture, Variant: doc.Variant, OS: doc.OS,
		Size: l.size(img.record), RootFS: InspectRootFS{Type: doc.RootFS.Type, Layers: doc.RootFS.DiffIDs},
		Labels: doc.Config.Labels, User: doc.Config.User, History: doc.History,
		NamesHistory: nonNil(img.record.NamesHistory), Healthcheck: doc.Config.Healthcheck,
	}
	ins.VirtualSize = ins.Size
	if doc.Comment == "" && len(doc.History) > 0 {
		ins.Comment = doc.History[len(doc.History)-1].Comment
	}
	if p := parentOf(store, img); p != nil {
		ins.Parent = p.ID
	}
	if err := ins.addManifest(store, img); err != nil {
		return nil, err
	}
	return ins, ins.addDriver(store, img)
}

// addManifest fills in what the manifest says.
func (ins *Inspection) addManifest(store storage.Store, img Image) error {
	raw, mime, err := storedManifest(store, img)
	if err != nil {
		return err
	}
	ins.ManifestType = mime
	ins.Annotations = map[string]string{}
	if mime == imgspec.MediaTypeImageManifest {
		var m struct {
			Annotations map[string]string `json:"annotations"`
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return corruptImage(img, err)
		}
		for k, v := range m.Annotations {
			ins.Annotations[k] = v
		}
	}
	return nil
}

// addDriver fills in where the layer lies.
func (ins *Inspection) addDriver(store storage.Store, img Image) error {
	ins.GraphDriver = GraphDriver{Name: store.GraphDriverName(), Data: map[string]string{}}
	if img.TopLayer == "" {
		return nil
	}
	driver, err := store.GraphDriver()
	if err != nil {
		return storeReadError(err)
	}
	data, err := driver.Metadata(img.TopLayer)
	if err != nil {
		return storeReadError(err)
	}
	delete(data, "MergedDir")
	ins.GraphDriver.Data = data
	return nil
}

// RawManifest returns the image's manifest as it is stored, and its media type.
func (s *Service) RawManifest(ctx context.Context, img Image) (json.RawMessage, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	store, err := s.readable()
	if err != nil {
		return nil, "", err
	}
	raw, mime, err := storedManifest(store, img)
	return raw, mime, err
}

// nonNil keeps empty lists from becoming null in JSON.
func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return slices.Clone(list)
}
