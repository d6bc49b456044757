package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The image that is pulled: half of its bytes can be compressed, as those of programs can.
const (
	pullLayers = 4
	pullFiles  = 20_000
	pullBytes  = 500 << 20
	pullRuns   = 3
	pullWork   = "pull of 500 MB"
	// untar is the peer that only unpacks the layers.
	untar = "zcat and tar"
)

// pull times engines that fetch the image from a registry on the loopback, and the unpacking of
// the same layers by zcat and tar.
func (w *world) pull() *row {
	r := &row{work: pullWork, unit: "ms"}
	dir := filepath.Join(w.dir, "pull")
	image, err := buildPulled(dir)
	if err != nil {
		return failed(r, err)
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return failed(r, err)
	}
	server := &http.Server{Handler: image, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) //nolint:errcheck // it ends with the listener
	defer server.Close()
	name := listener.Addr().String() + "/bench/pulled:latest"
	for _, p := range w.peers {
		if p.name == "manager" || p.name == "podman" {
			took, err := w.median(p.name, func() error {
				_, err := w.run(p.env, p.command("pull", "--quiet", "--tls-verify=false", name)...)
				return err
			}, func() error {
				_, err := w.run(p.env, p.command("rmi", name)...)
				return err
			})
			r.values = append(r.values, value{p.name, took, err})
		}
	}
	out := filepath.Join(dir, "out")
	took, err := w.median(untar, func() error { return image.unpack(out) }, func() error { return os.RemoveAll(out) })
	r.values = append(r.values, value{untar, took, err})
	return r
}

func failed(r *row, err error) *row {
	r.values = append(r.values, value{"manager", 0, err})
	return r
}

// median is that of a few runs of f in milliseconds, each taken back by undo.
func (w *world) median(name string, f, undo func() error) (float64, error) {
	var took []float64
	for range pullRuns {
		if err := w.ctx.Err(); err != nil {
			return 0, err
		}
		fmt.Fprintln(os.Stderr, "bench:", name, pullWork)
		begin := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(begin).Milliseconds()))
		if err := undo(); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// pulled is an image on disk and the registry that offers it, as far as a pull asks.
type pulled struct {
	dir      string
	manifest []byte
	layers   []string // files
}

// descriptor is a blob in a manifest.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// buildPulled writes layers and config into dir.
func buildPulled(dir string) (*pulled, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	p := &pulled{dir: dir}
	var layers []descriptor
	var diffIDs []string
	for i := range pullLayers {
		layer, diffID, err := p.layer(i)
		if err != nil {
			return nil, err
		}
		layers, diffIDs = append(layers, layer), append(diffIDs, diffID)
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{}, "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return nil, err
	}
	blob := describe("application/vnd.oci.image.config.v1+json", config)
	if err := os.WriteFile(p.file(blob.Digest), config, 0o600); err != nil {
		return nil, err
	}
	p.manifest, err = json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": blob, "layers": layers,
	})
	return p, err
}

func describe(mediaType string, data []byte) descriptor {
	sum := sha256.Sum256(data)
	return descriptor{mediaType, "sha256:" + hex.EncodeToString(sum[:]), int64(len(data))}
}

func (p *pulled) file(digest string) string { return filepath.Join(p.dir, filepath.Base(digest)) }

// layer writes one layer, always the same for its number.
func (p *pulled) layer(number int) (blob descriptor, diffID string, err error) {
	f, err := os.Create(filepath.Join(p.dir, fmt.Sprint("layer-", number)))
	if err != nil {
		return blob, "", err
	}
	defer f.Close()
	packed, plain := sha256.New(), sha256.New()
	zip, err := gzip.NewWriterLevel(io.MultiWriter(f, packed), gzip.BestSpeed)
	if err != nil {
		return blob, "", err
	}
	if err := writePulled(io.MultiWriter(zip, plain), number); err != nil {
		return blob, "", err
	}
	if err := zip.Close(); err != nil {
		return blob, "", err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return blob, "", err
	}
	blob = descriptor{"application/vnd.oci.image.layer.v1.tar+gzip", "sha256:" + hex.EncodeToString(packed.Sum(nil)), size}
	p.layers = append(p.layers, p.file(blob.Digest))
	return blob, "sha256:" + hex.EncodeToString(plain.Sum(nil)), os.Rename(f.Name(), p.file(blob.Digest))
}

// writePulled writes the layer's files, a hundred in each folder.
func writePulled(out io.Writer, number int) error {
	tw := tar.NewWriter(out)
	random := rand.NewChaCha8([32]byte{byte(number)})
	body := make([]byte, pullBytes/pullFiles)
	for i := range pullFiles / pullLayers {
		random.Read(body[:len(body)/2]) // never fails
		if i%100 == 0 {
			if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("l%d/d%d/", number, i/100), Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
				return err
			}
		}
		h := &tar.Header{Name: fmt.Sprintf("l%d/d%d/f%d", number, i/100, i), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body))}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(body); err != nil {
			return err
		}
	}
	return tw.Close()
}

// ServeHTTP answers what a pull asks. Source: OCI distribution-spec, "Pull".
func (p *pulled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, name := filepath.Base(filepath.Dir(r.URL.Path)), filepath.Base(r.URL.Path)
	switch {
	case r.URL.Path == "/v2/":
	case kind == "manifests":
		d := describe("application/vnd.oci.image.manifest.v1+json", p.manifest)
		w.Header().Set("Content-Type", d.MediaType)
		w.Header().Set("Docker-Content-Digest", d.Digest)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.manifest))
	case kind == "blobs" && strings.HasPrefix(name, "sha256:"):
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeFile(w, r, p.file(name))
	default:
		http.NotFound(w, r)
	}
}

// unpack has zcat and tar extract the layers, one after another, as an engine must.
func (p *pulled) unpack(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, layer := range p.layers {
		cmd := exec.Command("sh", "-c", `zcat < "$1" | tar -x -C "$2"`, "sh", layer, dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", untar, err, lastLine(string(out)))
		}
	}
	return nil
}
