//go:build !lean

package image

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/compression"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
)

// Import makes an image with one layer out of a root file system's tar, compressed or not.
// Errors: ErrInvalid for names and changes, ErrNotFound for the source, ErrUnavailable
// for the network, ErrCorrupt for what is no tar.
func (s *Service) Import(ctx context.Context, opts ImportOptions) (Image, error) {
	label := opts.Source
	if opts.Reader != nil {
		label = "standard input"
	}
	var names []reference.Named
	if opts.Name != "" {
		named, err := normalReference(opts.Name)
		if err != nil {
			return Image{}, err
		}
		names = append(names, named)
	}
	doc, err := importDocument(opts, label, time.Now().UTC())
	if err != nil {
		return Image{}, err
	}
	img, err := s.importLayer(ctx, opts, doc, label, names)
	if err == nil {
		s.changed(eventlog.Import, img.ID, label, nil)
	}
	host := ""
	if isURL(opts.Source) && opts.Reader == nil {
		host = opts.Source
	}
	return img, failure("import", label, host, err)
}

// importDocument is the config without its layer. It is checked before anything is read.
func importDocument(opts ImportOptions, label string, now time.Time) (*document, error) {
	doc := &document{
		Created: &now, Comment: opts.Message, OS: orDefault(opts.Platform.OS, runtime.GOOS),
		Architecture: orDefault(opts.Platform.Arch, runtime.GOARCH), Variant: opts.Platform.Variant,
	}
	for _, c := range opts.Changes {
		if err := applyChange(&doc.Config, c); err != nil {
			return nil, err
		}
	}
	if _, err := configOf(doc); err != nil {
		return nil, errdefs.Invalid("--change", strings.Join(opts.Changes, " "), "%w", err)
	}
	comment := opts.Message
	if comment == "" {
		comment = "imported from " + printable(label)
	}
	doc.History = []imgspec.History{{Created: &now, CreatedBy: "manager import", Comment: comment}}
	return doc, nil
}

// importLayer writes an OCI layout with the one layer and loads it.
func (s *Service) importLayer(ctx context.Context, opts ImportOptions, doc *document, label string, names []reference.Named) (_ Image, err error) {
	temp, err := newScratch(s.tempBase(), tempPrefix)
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, temp.remove()) }()
	dir := temp.path
	in, err := openImport(ctx, opts)
	if err != nil {
		return Image{}, err
	}
	defer func() { _ = in.Close() }()
	layer, diffID, err := writeLayer(ctx, dir, in)
	if err != nil {
		return Image{}, err
	}
	doc.RootFS = imgspec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}}
	if err := writeLayout(dir, doc, layer); err != nil {
		return Image{}, err
	}
	src, err := layout.NewReference(dir, "")
	if err != nil {
		return Image{}, err
	}
	return s.copyIn(ctx, transfer{sys: s.system(), src: src, label: label, names: names, progress: opts.Progress})
}

func isURL(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

// openImport opens the source. Credentials are never sent to a URL.
func openImport(ctx context.Context, opts ImportOptions) (io.ReadCloser, error) {
	switch {
	case opts.Reader != nil:
		return io.NopCloser(opts.Reader), nil
	case !isURL(opts.Source):
		return os.Open(opts.Source)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, opts.Source, nil)
	if err != nil {
		return nil, errdefs.Invalid("import", opts.Source, "%w", err)
	}
	req.Header.Set("User-Agent", userAgent)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		class := errdefs.ErrUnavailable
		if resp.StatusCode == http.StatusNotFound {
			class = errdefs.ErrNotFound
		}
		return nil, errdefs.New(class, "", "", "the server answered %s", resp.Status)
	}
	return resp.Body, nil
}

// writeLayer stores the tar as a gzipped blob and computes its DiffID on the way.
func writeLayer(ctx context.Context, dir string, in io.Reader) (imgspec.Descriptor, digest.Digest, error) {
	none := imgspec.Descriptor{}
	plain, _, err := compression.AutoDecompress(readerWithContext(ctx, in))
	if err != nil {
		return none, "", err
	}
	defer func() { _ = plain.Close() }()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return none, "", err
	}
	f, err := os.OpenFile(filepath.Join(blobs, "layer"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return none, "", err
	}
	packed, diff := digest.SHA256.Digester(), digest.SHA256.Digester()
	// The blob lives for seconds on the local disk: the fastest level is the best.
	zip, err := gzip.NewWriterLevel(io.MultiWriter(f, packed.Hash()), gzip.BestSpeed)
	if err != nil {
		return none, "", errors.Join(err, f.Close())
	}
	n, err := io.Copy(io.MultiWriter(zip, diff.Hash()), plain)
	err = errors.Join(err, zip.Close())
	size, err2 := f.Seek(0, io.SeekCurrent)
	if err := errors.Join(err, err2, f.Close()); err != nil {
		return none, "", fmt.Errorf("read archive: %w", err)
	}
	if n == 0 {
		return none, "", errdefs.New(errdefs.ErrCorrupt, "", "", "the archive is empty")
	}
	d := packed.Digest()
	desc := imgspec.Descriptor{MediaType: imgspec.MediaTypeImageLayerGzip, Digest: d, Size: size}
	return desc, diff.Digest(), os.Rename(f.Name(), filepath.Join(blobs, d.Encoded()))
}

// writeLayout writes config, manifest and index around a layer.
func writeLayout(dir string, doc *document, layer imgspec.Descriptor) error {
	config, err := writeBlob(dir, imgspec.MediaTypeImageConfig, doc)
	if err != nil {
		return err
	}
	man, err := writeBlob(dir, imgspec.MediaTypeImageManifest, imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageManifest,
		Config: config, Layers: []imgspec.Descriptor{layer},
	})
	if err != nil {
		return err
	}
	index, err := json.Marshal(imgspec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageIndex,
		Manifests: []imgspec.Descriptor{man},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, imgspec.ImageIndexFile), index, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, imgspec.ImageLayoutFile), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600)
}

// writeBlob stores a JSON document under its digest.
func writeBlob(dir, mediaType string, v any) (imgspec.Descriptor, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return imgspec.Descriptor{}, err
	}
	d := digest.FromBytes(raw)
	desc := imgspec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(raw))}
	return desc, os.WriteFile(filepath.Join(dir, "blobs", "sha256", d.Encoded()), raw, 0o600)
}
