package checkpoint

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/zstd"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Writer makes an archive. The first entry must be ConfigName; Close must follow the last.
type Writer struct {
	tar      *tar.Writer
	compress io.WriteCloser
	sums     map[string]sum
}

// NewWriter begins an archive. compression is gzip, zstd or none; another is ErrInvalid.
func NewWriter(w io.Writer, compression string) (*Writer, error) {
	a := &Writer{sums: map[string]sum{}}
	switch compression {
	case "none":
		a.compress = plain{w}
	case "gzip":
		a.compress = gzip.NewWriter(w)
	case "zstd":
		z, err := zstd.NewWriter(w)
		if err != nil {
			return nil, err
		}
		a.compress = z
	default:
		return nil, errdefs.Invalid("--compress", compression, "unknown compression").WithHint("write gzip, none or zstd")
	}
	a.tar = tar.NewWriter(a.compress)
	return a, nil
}

// plain does not compress.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// Add adds an entry of so many bytes.
func (a *Writer) Add(name string, size int64, from io.Reader) error {
	if name != ConfigName && !allowed(name) {
		return fmt.Errorf("an archive of a checkpoint has no %q", name)
	}
	h := sha256.New()
	err := a.write(name, size, io.TeeReader(from, h))
	a.sums[name] = sum{Size: size, SHA256: hex.EncodeToString(h.Sum(nil))}
	return err
}

func (a *Writer) write(name string, size int64, from io.Reader) error {
	if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, Format: tar.FormatPAX}); err != nil {
		return err
	}
	n, err := io.Copy(a.tar, io.LimitReader(from, size))
	if err == nil && n < size {
		err = fmt.Errorf("%s: %w", name, io.ErrUnexpectedEOF)
	}
	return err
}

// AddDir adds the regular files of a directory below its archive's name. Links are left out: the reader makes the one to
// an earlier dump anew.
func (a *Writer) AddDir(name string, dir *os.Root) error {
	list, err := dir.Open(".")
	if err != nil {
		return err
	}
	entries, err := list.ReadDir(-1)
	if err = errors.Join(err, list.Close()); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := a.addFile(path.Join(name, e.Name()), dir, e.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (a *Writer) addFile(name string, dir *os.Root, base string) error {
	f, err := dir.Open(base)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return a.Add(name, st.Size(), f)
}

// Close ends the archive; the writer below stays open.
func (a *Writer) Close() error {
	raw, err := json.Marshal(a.sums)
	if err != nil {
		return err
	}
	err = a.write(digestsName, int64(len(raw)), bytesReader(raw))
	return errors.Join(err, a.tar.Close(), a.compress.Close())
}
