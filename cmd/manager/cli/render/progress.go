package render

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/manager-project/manager/libpod/image"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Progress shows events: as bars on a terminal, as plain lines elsewhere. Bars are set up
// when the first blob is copied, so that a command that pulls nothing pays nothing.
// It is safe for concurrent use.
type Progress struct {
	// Trying is the line at the start of an image, with %s for its name.
	Trying string

	out    io.Writer
	isTerm bool

	mu    sync.Mutex
	pool  *mpb.Progress
	bars  map[string]*mpb.Bar
	shown map[string]bool
}

// NewProgress returns a Progress that writes to out.
func NewProgress(out io.Writer) *Progress {
	f, ok := out.(*os.File)
	return &Progress{Trying: "Trying to pull %s...", out: out, isTerm: ok && term.IsTerminal(int(f.Fd()))}
}

// Handle shows one event. It is an image.ProgressFunc.
func (p *Progress) Handle(e image.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case image.EventTrying:
		p.finish()
		p.line(fmt.Sprintf(p.Trying, e.Name))
	case image.EventRetry:
		p.line(fmt.Sprintf("Trying again in %s (%d): %v", e.Delay, e.Attempt, e.Err))
	case image.EventWarning:
		p.line("Warning: " + e.Warning.Subject + ": " + e.Warning.Text)
	case image.EventBlob, image.EventBytes, image.EventBlobDone, image.EventBlobExists:
		p.blob(e)
	}
}

// blobTitle is what is copied, in Podman's words.
func blobTitle(e image.Event) string {
	if e.Config {
		return "Copying config "
	}
	return "Copying blob "
}

func (p *Progress) blob(e image.Event) {
	if p.isTerm {
		p.bar(e)
		return
	}
	id := e.Digest.String()
	if p.shown[id] {
		return
	}
	if p.shown == nil {
		p.shown = map[string]bool{}
	}
	p.shown[id] = true
	suffix := ""
	if e.Kind == image.EventBlobExists {
		suffix = " skipped: already exists"
	}
	p.line(blobTitle(e) + id + suffix)
}

func (p *Progress) bar(e image.Event) {
	if p.pool == nil {
		p.pool = mpb.New(mpb.WithOutput(p.out), mpb.WithWidth(40))
		p.bars = map[string]*mpb.Bar{}
	}
	id := e.Digest.String()
	bar := p.bars[id]
	if bar == nil {
		end := "done"
		if e.Kind == image.EventBlobExists {
			end = "skipped: already exists"
		}
		bar = p.pool.AddBar(max(e.Size, 0),
			mpb.PrependDecorators(decor.Name(blobTitle(e)+shortDigest(id)+" ")),
			mpb.AppendDecorators(decor.OnComplete(decor.CountersKibiByte("%.1f / %.1f"), end)))
		p.bars[id] = bar
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

// line prints a line above the bars.
func (p *Progress) line(s string) {
	if p.pool != nil {
		_, _ = p.pool.Write([]byte(s + "\n"))
		return
	}
	fmt.Fprintln(p.out, s)
}

// finish ends the bars of one image.
func (p *Progress) finish() {
	if p.pool == nil {
		return
	}
	for _, bar := range p.bars {
		bar.Abort(false)
	}
	p.pool.Wait()
	p.pool, p.bars = nil, nil
}

// Close ends bars that are still shown. It may be called twice.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}
