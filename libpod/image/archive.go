//go:build !lean

package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/pkg/compression"

	"github.com/manager-project/manager/pkg/undo"
)

// archiveKind is the format of an image archive.
type archiveKind int

const (
	archiveUnknown archiveKind = iota
	archiveDocker
	archiveOCI
)

// openedArchive is an uncompressed tar file on disk, and what it holds.
type openedArchive struct {
	path  string
	kind  archiveKind
	temp  string // directory of temporary files, made on need
	clean undo.Stack
	svc   *Service
}

// Close removes temporary files.
func (a *openedArchive) Close() error { return a.clean.Run() }

// openArchive brings the archive onto disk, uncompressed, and finds its format. A plain
// file that is not compressed is used where it lies.
func (s *Service) openArchive(ctx context.Context, opts LoadOptions) (_ *openedArchive, err error) {
	a := &openedArchive{svc: s, path: opts.Path}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	var in io.Reader = opts.Reader
	if in == nil {
		f, err := os.Open(opts.Path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	plain, compressed, err := compression.AutoDecompress(in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = plain.Close() }()
	if compressed || opts.Reader != nil || !isRegular(opts.Path) {
		if err := a.spool(ctx, plain); err != nil {
			return nil, err
		}
	}
	a.kind, err = sniff(a.path)
	return a, err
}

// isRegular says that a file can be read more than once.
func isRegular(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// dir is the archive's temporary directory.
func (a *openedArchive) dir() (string, error) {
	if a.temp == "" {
		dir, err := newScratch(a.svc.tempBase(), tempPrefix)
		if err != nil {
			return "", err
		}
		a.temp = dir.path
		a.clean.Add(dir.remove)
	}
	return a.temp, nil
}

// spool writes the stream into a temporary file.
func (a *openedArchive) spool(ctx context.Context, r io.Reader) error {
	dir, err := a.dir()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "archive.tar"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, readerWithContext(ctx, r))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	a.path = f.Name()
	return nil
}

// sniff looks for the file that tells the format. Docker's newer archives are both; they
// are read as docker archives, which keep all names.
func sniff(path string) (archiveKind, error) {
	f, err := os.Open(path)
	if err != nil {
		return archiveUnknown, err
	}
	defer func() { _ = f.Close() }()
	kind := archiveUnknown
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return kind, nil
		case err != nil && kind != archiveUnknown:
			return kind, nil
		case errors.Is(err, tar.ErrHeader):
			return archiveUnknown, nil
		case err != nil:
			return archiveUnknown, fmt.Errorf("read archive: %w", err)
		}
		switch filepath.Clean(h.Name) {
		case "manifest.json":
			return archiveDocker, nil
		case "index.json", "oci-layout":
			kind = archiveOCI
		}
	}
}

// layoutFile are the only files of an OCI layout; all else in an archive is passed over.
var layoutFile = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(oci-layout|index\.json|blobs/(sha256|sha384|sha512)/[0-9a-f]{64,128})$`)
})

// unpackLayout extracts the layout's regular files, by their exact names, into a fresh directory.
func (a *openedArchive) unpackLayout(ctx context.Context) (string, error) {
	dir, err := a.dir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "layout")
	f, err := os.Open(a.path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return dir, nil
		}
		if err != nil {
			return "", fmt.Errorf("read archive: %w", err)
		}
		name := strings.TrimPrefix(h.Name, "./")
		if h.Typeflag != tar.TypeReg || !layoutFile().MatchString(name) {
			continue
		}
		if err := writeFile(ctx, filepath.Join(dir, name), tr); err != nil {
			return "", err
		}
	}
}

// writeFile writes a new or replaced file in a directory of ours.
func writeFile(ctx context.Context, path string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, readerWithContext(ctx, r))
	return errors.Join(err, f.Close())
}

// readIndex reads a layout's index.json, of bounded size.
func readIndex(root *os.Root) (*imgspec.Index, error) {
	f, err := root.Open("index.json")
	if err != nil {
		return nil, fmt.Errorf("OCI layout: %w", err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("OCI layout: index.json is larger than %d bytes", maxDocument)
	}
	index := &imgspec.Index{}
	if err := json.Unmarshal(raw, index); err != nil {
		return nil, fmt.Errorf("OCI layout: index.json: %w", err)
	}
	if len(index.Manifests) == 0 {
		return nil, errors.New("OCI layout: index.json lists no image")
	}
	for _, d := range index.Manifests {
		if err := d.Digest.Validate(); err != nil {
			return nil, fmt.Errorf("OCI layout: digest %q: %w", printable(d.Digest.String()), err)
		}
	}
	return index, nil
}

// readerWithContext stops reading when ctx ends.
func readerWithContext(ctx context.Context, r io.Reader) io.Reader {
	return contextReader{ctx, r}
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
