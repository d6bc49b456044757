package render

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/manager-project/manager/libpod/image"
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
	bars  bars
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
		p.bars.finish()
		p.line(fmt.Sprintf(p.Trying, e.Name))
	case image.EventRetry:
		p.line(fmt.Sprintf("Trying again in %s (%d): %v", e.Delay, e.Attempt, e.Err))
	case image.EventWarning:
		p.line("Warning: " + e.Warning.Subject + ": " + e.Warning.Text)
	case image.EventShift, image.EventShiftDone:
		p.shift(e)
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
		p.bars.show(p.out, e)
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

// shift counts the files that are given to a container's ids: on a terminal in a line that is written anew and
// goes with the last one, elsewhere once.
func (p *Progress) shift(e image.Event) {
	text := fmt.Sprintf("Giving the files of %s to the container's ids", e.Name)
	switch {
	case !p.isTerm && e.Kind == image.EventShift && e.Offset == 0:
		p.line(text)
	case p.isTerm && e.Kind == image.EventShift:
		fmt.Fprintf(p.out, "\r\x1b[K%s: %d", text, e.Offset)
	case p.isTerm:
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// line prints a line above the bars.
func (p *Progress) line(s string) { fmt.Fprintln(p.bars.above(p.out), s) }

// Close ends bars that are still shown. It may be called twice.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bars.finish()
}
