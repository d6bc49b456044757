package checkpoint

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/manager-project/manager/pkg/errdefs"
)

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// Reader reads an archive in one pass: Config, then Extract, then Close.
type Reader struct {
	name  string
	tar   *tar.Reader
	close func()
	sums  map[string]sum
}

// maxWindow bounds the memory for zstd, in bytes: the most that its own program uses unasked.
const maxWindow = 128 << 20

// NewReader begins to read. name is the archive's, for errors, which are of class ErrCorrupt. The reader below
// stays the caller's.
func NewReader(name string, r io.Reader) (*Reader, error) {
	a := &Reader{name: name, close: func() {}, sums: map[string]sum{}}
	b := bufio.NewReader(r)
	magic, _ := b.Peek(4)
	var plain io.Reader = b
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, a.bad("%w", err)
		}
		plain = z
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, a.bad("%w", err)
		}
		plain, a.close = z, z.Close
	}
	a.tar = tar.NewReader(plain)
	return a, nil
}

// Close releases memory.
func (a *Reader) Close() { a.close() }

func (a *Reader) bad(format string, args ...any) error {
	return errdefs.New(errdefs.ErrCorrupt, "archive", a.name, format, args...).WithHint("export the checkpoint again, and import no archive of people you do not trust")
}

// next is the next entry; io.EOF after the last. Only regular files come through.
func (a *Reader) next() (*tar.Header, error) {
	for {
		h, err := a.tar.Next()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil {
			return nil, a.bad("%w", err)
		}
		if h.Typeflag == tar.TypeDir && (strings.TrimSuffix(h.Name, "/") == ImagesDir || strings.TrimSuffix(h.Name, "/") == PreDir) {
			continue
		}
		if h.Typeflag != tar.TypeReg {
			return nil, a.bad("%q is not a regular file", h.Name)
		}
		for key := range h.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				return nil, a.bad("%q is a sparse file", h.Name)
			}
		}
		return h, nil
	}
}

// Config decodes the description into value. It must be the first entry.
func (a *Reader) Config(value any) error {
	h, err := a.next()
	if errors.Is(err, io.EOF) {
		err = a.bad("it is empty")
	}
	if err != nil {
		return err
	}
	if h.Name != ConfigName {
		return a.bad("it begins with %q and not with %s", h.Name, ConfigName)
	}
	raw, err := a.bounded(h, maxConfig)
	if err != nil {
		return err
	}
	a.sums[ConfigName] = sumOf(raw)
	if err := json.Unmarshal(raw, value); err != nil {
		return a.bad("%s: %w", ConfigName, err)
	}
	return nil
}

func sumOf(raw []byte) sum {
	h := sha256.Sum256(raw)
	return sum{Size: int64(len(raw)), SHA256: hex.EncodeToString(h[:])}
}

func (a *Reader) bounded(h *tar.Header, limit int64) ([]byte, error) {
	if h.Size > limit {
		return nil, a.bad("%s has %d bytes, more than %d", h.Name, h.Size, limit)
	}
	raw, err := io.ReadAll(io.LimitReader(a.tar, limit+1))
	if err != nil {
		return nil, a.bad("%s: %w", h.Name, err)
	}
	return raw, nil
}

// Extract writes the rest into a directory, in which nothing of these names may be, and checks all against the
// digests. room is how many bytes there may be in sum. After an error the directory is the caller's to empty.
func (a *Reader) Extract(dir *os.Root, room int64) error {
	for n := 0; ; n++ {
		h, err := a.next()
		if errors.Is(err, io.EOF) {
			err = a.bad("it ends before %s: it is not whole", digestsName)
		}
		if err != nil {
			return err
		}
		if h.Name == digestsName {
			return a.verify(h)
		}
		switch {
		case n == maxEntries:
			return a.bad("it has more than %d entries", maxEntries)
		case !allowed(h.Name):
			return a.bad("%q is no part of a checkpoint", h.Name)
		case h.Size > room:
			return a.bad("it unpacks to more than there is room for: %q has %d bytes, and %d are left", h.Name, h.Size, room)
		}
		room -= h.Size
		if err := a.extract(dir, h); err != nil {
			return err
		}
	}
}

func (a *Reader) extract(dir *os.Root, h *tar.Header) error {
	if parent := path.Dir(h.Name); parent != "." {
		if err := dir.Mkdir(parent, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	f, err := dir.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return a.bad("%q is in it twice", h.Name)
	}
	if err != nil {
		return err
	}
	sha := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sha), a.tar)
	a.sums[h.Name] = sum{Size: n, SHA256: hex.EncodeToString(sha.Sum(nil))}
	if err = errors.Join(err, f.Close()); err != nil {
		var file *os.PathError
		if errors.As(err, &file) {
			return err // ours: a full disk
		}
		return a.bad("%s: %w", h.Name, err)
	}
	return nil
}

// verify compares what was read with the digests, which nothing may follow.
func (a *Reader) verify(h *tar.Header) error {
	raw, err := a.bounded(h, maxDigests)
	if err != nil {
		return err
	}
	var want map[string]sum
	if err := json.Unmarshal(raw, &want); err != nil {
		return a.bad("%s: %w", digestsName, err)
	}
	if len(want) != len(a.sums) {
		return a.bad("it has %d entries, and %s tells of %d", len(a.sums), digestsName, len(want))
	}
	for name, got := range a.sums {
		if want[name] != got {
			return a.bad("%s is not what %s says", name, digestsName)
		}
	}
	if h, err := a.next(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return a.bad("%q comes after its end", h.Name)
	}
	return nil
}

// Free is the room that extracting may take of a file system with so many bytes free: some is left for others.
func Free(bytes uint64) int64 { return int64(min(bytes/10*9, 1<<62)) }
