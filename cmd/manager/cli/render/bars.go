//go:build !lean

package render

import (
	"io"

	"github.com/manager-project/manager/libpod/image"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bars are the progress bars of one image's blobs. The zero value shows none.
type bars struct {
	pool *mpb.Progress
	each map[string]*mpb.Bar
}

// show sets the bar of an event's blob.
func (b *bars) show(out io.Writer, e image.Event) {
	if b.pool == nil {
		b.pool = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
		b.each = map[string]*mpb.Bar{}
	}
	id := e.Digest.String()
	bar := b.each[id]
	if bar == nil {
		end := "done"
		if e.Kind == image.EventBlobExists {
			end = "skipped: already exists"
		}
		bar = b.pool.AddBar(max(e.Size, 0),
			mpb.PrependDecorators(decor.Name(blobTitle(e)+shortDigest(id)+" ")),
			mpb.AppendDecorators(decor.OnComplete(decor.CountersKibiByte("%.1f / %.1f"), end)))
		b.each[id] = bar
	}
	bar.SetCurrent(e.Offset)
	if e.Kind == image.EventBlobDone || e.Kind == image.EventBlobExists {
		bar.SetTotal(-1, true)
	}
}

func shortDigest(s string) string {
	const algorithm = "sha256:"
	if len(s) > len(algorithm)+12 && s[:len(algorithm)] == algorithm {
		return s[len(algorithm) : len(algorithm)+12]
	}
	return s
}

// above is where lines go that stay above the bars.
func (b *bars) above(out io.Writer) io.Writer {
	if b.pool != nil {
		return b.pool
	}
	return out
}

// finish ends the bars of one image.
func (b *bars) finish() {
	if b.pool == nil {
		return
	}
	for _, bar := range b.each {
		bar.Abort(false)
	}
	b.pool.Wait()
	b.pool, b.each = nil, nil
}
