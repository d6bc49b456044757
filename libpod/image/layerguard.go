//go:build !lean

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/vbatts/tar-split/archive/tar"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
)

// The room for holes in a layer, in bytes: so many at once, and so many more for each byte that the
// layer was transferred in. The library reads all zeros of a hole to sum them up, at 0.4 GB a second on a
// busy machine and up to 5 on an idle one, and cannot be told to stop.
const (
	maxHoles        = 4 << 30
	maxHolesPerByte = 200
)

// guardedStore is a store that looks at a layer's headers before the library does, which sums up holes of any size and
// takes owners modulo 2^32; and that makes an image with its name, which the library gives it a moment later: whoever is
// killed between the two leaves a nameless one.
type guardedStore struct {
	storage.Store
	ctx  context.Context
	name string // of the image that is stored, or ""
}

// CreateImage implements storage.Store. A name that another image has is the library's to move.
func (g guardedStore) CreateImage(id string, names []string, layer, metadata string, o *storage.ImageOptions) (*storage.Image, error) {
	if _, err := g.Store.Image(g.name); g.name != "" && len(names) == 0 && errors.Is(err, storage.ErrImageUnknown) {
		img, err := g.Store.CreateImage(id, []string{g.name}, layer, metadata, o)
		if !errors.Is(err, storage.ErrDuplicateName) {
			return img, err
		}
	}
	return g.Store.CreateImage(id, names, layer, metadata, o)
}

// PutLayer implements storage.Store. It takes the compression off, since headers are inside; what
// the store notes of the compressed blob comes in o.
func (g guardedStore) PutLayer(id, parent string, names []string, mountLabel string, writeable bool, o *storage.LayerOptions, diff io.Reader) (*storage.Layer, int64, error) {
	if diff == nil {
		return g.Store.PutLayer(id, parent, names, mountLabel, writeable, o, diff)
	}
	plain, err := archive.DecompressStream(readerWithContext(g.ctx, diff))
	if err != nil {
		return nil, -1, err
	}
	defer func() { _ = plain.Close() }()
	checked := checkLayer(readerWithContext(g.ctx, plain), blobSize(o, diff))
	fault.Point("image layer: put")
	layer, size, err := g.Store.PutLayer(id, parent, names, mountLabel, writeable, o, checked)
	fault.Point("image layer: stored")
	refused := checked.close()
	switch { // the library says only that the stream broke off
	case err == nil:
	case g.ctx.Err() != nil:
		err = g.ctx.Err()
	case refused != nil:
		err = refused
	}
	return layer, size, err
}

// blobSize is the size of a layer as it was transferred, 0 if nobody knows it.
func blobSize(o *storage.LayerOptions, diff io.Reader) int64 {
	if o != nil && o.OriginalSize != nil {
		return *o.OriginalSize
	}
	if f, ok := diff.(*os.File); ok {
		if st, err := f.Stat(); err == nil {
			return st.Size()
		}
	}
	return 0
}

// checkedLayer passes a layer on, one piece late: a piece is given away when the next one has
// been read by the checker, which has then seen every header of the first to its end.
type checkedLayer struct {
	from  io.Reader
	feed  *io.PipeWriter
	done  chan error // what the checker says at its end
	bufs  [2][]byte
	turn  int    // the buffer to fill next; the other one holds what is held
	ready []byte // what may be given away
	held  []byte // what may not yet
	ended bool   // the checker has seen the end of the layer
	err   error  // what follows ready
}

// pieceSize is what is read at a time.
const pieceSize = 256 << 10

// checkLayer begins to check. blob is the layer's size in bytes as it was transferred.
func checkLayer(from io.Reader, blob int64) *checkedLayer {
	out, in := io.Pipe()
	c := &checkedLayer{from: from, feed: in, done: make(chan error, 1)}
	c.bufs[0], c.bufs[1] = make([]byte, pieceSize), make([]byte, pieceSize)
	go func() {
		err := checkHeaders(out, blob)
		if err == nil {
			// Behind its end, or where it is no archive: the library's to judge.
			_, _ = io.Copy(io.Discard, out)
		}
		_ = out.CloseWithError(err)
		c.done <- err
	}()
	return c
}

// Read implements io.Reader.
func (c *checkedLayer) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.advance()
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// advance reads a piece, shows it to the checker, and lets the one before go.
func (c *checkedLayer) advance() {
	if c.ended {
		c.ready, c.held, c.err = c.held, nil, io.EOF
		return
	}
	buf := c.bufs[c.turn]
	n, err := io.ReadFull(c.from, buf)
	if _, refused := c.feed.Write(buf[:n]); refused != nil {
		c.err = refused
		return
	}
	c.ready, c.held, c.turn = c.held, buf[:n], 1-c.turn
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		_ = c.feed.Close()
		refused := <-c.done
		c.done <- refused
		if c.ended = refused == nil; !c.ended {
			c.ready, c.err = nil, refused
		}
	case err != nil:
		c.err = err
	}
}

// close ends the checker and returns why it refused the layer, or nil.
func (c *checkedLayer) close() error {
	_ = c.feed.CloseWithError(io.ErrClosedPipe)
	return <-c.done
}

// checkHeaders reads the archive with the parser that the library sums layers up with, so that both
// see the same headers. It returns nil where the archive ends or is none.
func checkHeaders(r io.Reader, blob int64) error {
	counted := &countingReader{r: r}
	tr := tar.NewReader(counted)
	var holes int64
	for {
		h, err := tr.Next()
		if err != nil {
			//lint:ignore nilerr a broken archive is the library's to report
			return nil
		}
		if badOwner(h.Uid) || badOwner(h.Gid) {
			return refuse("%q belongs to %d:%d, which no system has", printable(h.Name), h.Uid, h.Gid)
		}
		if !isSparse(h) {
			continue
		}
		if holes += h.Size; holes < 0 || (holes-maxHoles)/maxHolesPerByte > blob+counted.n {
			return refuse("%q is a sparse file of %d bytes, too large for a layer of %d", printable(h.Name), h.Size, blob)
		}
	}
}

func refuse(format string, args ...any) error {
	return &errdefs.Error{Kind: "layer", Class: errdefs.ErrCorrupt, Cause: fmt.Errorf(format, args...), Hint: damaged}
}

// badOwner recognizes ids that the kernel has no room for; the last one means "nobody" to it.
func badOwner(id int) bool { return id < 0 || int64(id) >= math.MaxUint32 }

// isSparse recognizes the old GNU format and those of PAX.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// countingReader counts what has been read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
