package testenv

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"runtime"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// manifestEntry is one image of a docker-archive's manifest.json.
// Source: "docker image save" format, Docker Image Specification v1.2.
type manifestEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// writeArchive writes a docker-archive with one image: its name, its config and its
// uncompressed layers, the lowest first.
func writeArchive(path, tag string, config *imgspec.ImageConfig, layers []string) error {
	image := imgspec.Image{
		Platform: imgspec.Platform{Architecture: runtime.GOARCH, OS: "linux"},
		Config:   *config,
		RootFS:   imgspec.RootFS{Type: "layers"},
	}
	entry := manifestEntry{RepoTags: []string{tag}}
	for _, layer := range layers {
		sum, err := sha256File(layer)
		if err != nil {
			return err
		}
		image.RootFS.DiffIDs = append(image.RootFS.DiffIDs, digest.NewDigestFromEncoded(digest.SHA256, sum))
		image.History = append(image.History, imgspec.History{CreatedBy: "test fixture"})
		entry.Layers = append(entry.Layers, sum+".tar")
	}
	configJSON, err := json.Marshal(image)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(configJSON)
	entry.Config = hex.EncodeToString(sum[:]) + ".json"
	manifest, err := json.Marshal([]manifestEntry{entry})
	if err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	tw := tar.NewWriter(out)
	for i, layer := range layers {
		if err := addFile(tw, entry.Layers[i], layer); err != nil {
			return err
		}
	}
	for name, text := range map[string][]byte{entry.Config: configJSON, "manifest.json": manifest} {
		if err := add(tw, name, int64(len(text)), bytes.NewReader(text)); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return out.Close()
}

// addFile adds a file from disk to the archive.
func addFile(tw *tar.Writer, name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return add(tw, name, info.Size(), file)
}

// add adds one entry to the archive.
func add(tw *tar.Writer, name string, size int64, text io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(tw, text)
	return err
}

// sha256File is the hex digest of a file's bytes.
func sha256File(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
