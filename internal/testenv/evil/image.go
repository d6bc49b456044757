// Package evil writes images that no honest tool would: layers with arbitrary tar headers,
// configs and manifests of any bytes, in the forms in which images arrive. It also makes
// ordinary small images, and a Canary that notices what must not be touched.
package evil

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Entry is one entry of a layer. Header.Size is set from Body when it is 0.
type Entry struct {
	tar.Header
	Body []byte
}

// File is a regular file entry.
func File(name, body string, mode int64) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, ModTime: stamp}, Body: []byte(body)}
}

// Dir is a directory entry.
func Dir(name string, mode int64) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, ModTime: stamp}}
}

// Symlink is a symbolic link entry.
func Symlink(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777, ModTime: stamp}}
}

// Hardlink is a hard link entry.
func Hardlink(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644, ModTime: stamp}}
}

// Device is a character or block device entry, by tar type.
func Device(name string, kind byte, major, minor int64) Entry {
	return Entry{Header: tar.Header{Typeflag: kind, Name: name, Devmajor: major, Devminor: minor, Mode: 0o600, ModTime: stamp}}
}

var stamp = time.Unix(1700000000, 0)

// Layer is an uncompressed layer tar.
func Layer(entries ...Entry) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := range entries {
		h := entries[i].Header
		if h.Size == 0 {
			h.Size = int64(len(entries[i].Body))
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(fmt.Sprintf("header %q: %v", h.Name, err))
		}
		if _, err := w.Write(entries[i].Body); err != nil {
			panic(fmt.Sprintf("body of %q: %v", h.Name, err))
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// Image is an image in the making. Every field may lie.
type Image struct {
	// Name is the name in the archive; "" makes a nameless image.
	Name string
	// Config replaces the generated config when it is not nil.
	Config []byte
	// Execution is the generated config's "config" object.
	Execution map[string]any
	// Layers are uncompressed tars, lowest first.
	Layers [][]byte
	// DiffIDs replaces the digests of the layers in the generated config when it is not nil.
	DiffIDs []string
	// Manifest changes the generated OCI manifest before it is written; nil leaves it.
	Manifest func(m map[string]any)
	// Raw replaces the bytes of the manifest, after Manifest; nil leaves them.
	Raw func(manifest string) string
	// MediaType replaces the manifest's media type in the index; "" leaves it.
	MediaType string
	// Index changes the generated index before it is written; nil leaves it.
	Index func(m map[string]any)
}

// ConfigBytes is the image's config.
func (img Image) ConfigBytes() []byte {
	if img.Config != nil {
		return img.Config
	}
	ids := img.DiffIDs
	if ids == nil {
		for _, l := range img.Layers {
			ids = append(ids, digest.FromBytes(l).String())
		}
	}
	return mustJSON(map[string]any{
		"created": "2023-11-14T22:13:20Z", "architecture": "amd64", "os": "linux",
		"config": img.Execution,
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
}

// ID is the id that the image gets in a store.
func (img Image) ID() string { return digest.FromBytes(img.ConfigBytes()).Encoded() }

// DockerArchive writes the images in the form of "docker save" to a file.
func DockerArchive(path string, images ...Image) error {
	var items []map[string]any
	var entries []Entry
	for _, img := range images {
		cfg := img.ConfigBytes()
		name := digest.FromBytes(cfg).Encoded() + ".json"
		entries = append(entries, File(name, string(cfg), 0o644))
		layers := []string{}
		for i, l := range img.Layers {
			layer := fmt.Sprintf("%s-%d.tar", img.ID()[:12], i)
			entries, layers = append(entries, File(layer, string(l), 0o644)), append(layers, layer)
		}
		item := map[string]any{"Config": name, "Layers": layers, "RepoTags": nil}
		if img.Name != "" {
			item["RepoTags"] = []string{img.Name}
		}
		items = append(items, item)
	}
	entries = append(entries, File("manifest.json", string(mustJSON(items)), 0o644))
	return os.WriteFile(path, Layer(entries...), 0o600)
}

// OCILayout writes the images as an OCI layout into a directory. Layers are gzipped.
func OCILayout(dir string, images ...Image) error {
	blob := func(data []byte) (map[string]any, error) {
		d := digest.FromBytes(data)
		path := filepath.Join(dir, "blobs", "sha256", d.Encoded())
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		return map[string]any{"digest": d.String(), "size": len(data)}, os.WriteFile(path, data, 0o600)
	}
	index := map[string]any{"schemaVersion": 2, "mediaType": imgspec.MediaTypeImageIndex}
	var manifests []any
	for _, img := range images {
		desc, err := img.writeManifest(blob)
		if err != nil {
			return err
		}
		if img.Name != "" {
			desc["annotations"] = map[string]string{imgspec.AnnotationRefName: img.Name}
		}
		manifests = append(manifests, desc)
	}
	index["manifests"] = manifests
	for _, img := range images {
		if img.Index != nil {
			img.Index(index)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), mustJSON(index), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600)
}

// writeManifest writes one image's blobs and returns the descriptor of its manifest.
func (img Image) writeManifest(blob func([]byte) (map[string]any, error)) (map[string]any, error) {
	cfg, err := blob(img.ConfigBytes())
	if err != nil {
		return nil, err
	}
	cfg["mediaType"] = imgspec.MediaTypeImageConfig
	var layers []any
	for _, l := range img.Layers {
		desc, err := blob(Gzip(l))
		if err != nil {
			return nil, err
		}
		desc["mediaType"] = imgspec.MediaTypeImageLayerGzip
		layers = append(layers, desc)
	}
	m := map[string]any{"schemaVersion": 2, "mediaType": imgspec.MediaTypeImageManifest, "config": cfg, "layers": layers}
	if img.Manifest != nil {
		img.Manifest(m)
	}
	raw := mustJSON(m)
	if img.Raw != nil {
		raw = []byte(img.Raw(string(raw)))
	}
	desc, err := blob(raw)
	if err != nil {
		return nil, err
	}
	desc["mediaType"] = imgspec.MediaTypeImageManifest
	if img.MediaType != "" {
		desc["mediaType"] = img.MediaType
	}
	return desc, nil
}

// TarDir writes a directory's files as an archive, as "tar -C dir -cf path ." does.
func TarDir(path, dir string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// Gzip compresses data.
func Gzip(data []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
