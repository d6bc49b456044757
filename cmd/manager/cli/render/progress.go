package render

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Event is one step of a pull or push.
type Event struct {
	// Image is the reference; Artifact the blob's digest, or "".
	Image, Artifact string
	// Stage is "trying", "copying", "done", "skipped", "stored" or "retry".
	Stage string
	// Offset and Total are bytes; Total is 0 or negative when unknown.
	Offset, Total int64
	// Message is a line for the stages "trying" and "retry".
	Message string
}

// Progress shows events: as bars on a terminal, as plain lines elsewhere. Bars are set up
// when the first blob is copied, so that a command that pulls nothing pays nothing.
// It is safe for concurrent use.
type Progress struct {
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
	return &Progress{out: out, isTerm: ok && term.IsTerminal(int(f.Fd()))}
}

// Handle shows one event.
func (p *Progress) Handle(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Stage {
	case "trying":
		message := e.Message
		if message == "" {
			message = fmt.Sprintf("Trying to pull %s...", e.Image)
		}
		p.line(message)
	case "retry":
		p.line(e.Message)
	case "stored":
		p.finish()
		p.line("Writing manifest to image destination")
	case "copying", "done", "skipped":
		p.blob(e)
	}
}

func (p *Progress) blob(e Event) {
	if p.isTerm {
		p.bar(e)
		return
	}
	if p.shown == nil {
		p.shown = map[string]bool{}
	}
	if p.shown[e.Artifact] {
		return
	}
	p.shown[e.Artifact] = true
	if e.Stage == "skipped" {
		p.line(fmt.Sprintf("Copying blob %s skipped: already exists", e.Artifact))
	} else {
		p.line("Copying blob " + e.Artifact)
	}
}

func (p *Progress) bar(e Event) {
	if p.pool == nil {
		p.pool = mpb.New(mpb.WithOutput(p.out), mpb.WithWidth(40))
		p.bars = map[string]*mpb.Bar{}
	}
	bar := p.bars[e.Artifact]
	if bar == nil {
		bar = p.pool.AddBar(max(e.Total, 0),
			mpb.PrependDecorators(decor.Name("Copying blob "+shortDigest(e.Artifact)+" ")),
			mpb.AppendDecorators(decor.OnComplete(decor.CountersKibiByte("%.1f / %.1f"), endWord(e.Stage))))
		p.bars[e.Artifact] = bar
	}
	if e.Total > 0 {
		bar.SetTotal(e.Total, false)
	}
	bar.SetCurrent(e.Offset)
	if e.Stage != "copying" {
		bar.SetTotal(-1, true)
	}
}

func endWord(stage string) string {
	if stage == "skipped" {
		return "skipped: already exists"
	}
	return "done"
}

func shortDigest(s string) string {
	if i := len("sha256:"); len(s) > i+12 && s[:i] == "sha256:" {
		return s[i : i+12]
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
