//go:build !lean

package image

import (
	"time"

	"go.podman.io/image/v5/types"
)

// progressInterval is how often a running transfer reports.
const progressInterval = 100 * time.Millisecond

// channel starts a goroutine that turns the image library's reports into events.
// stop ends it and waits for the last event. Both are nil-safe when f is nil.
func (f ProgressFunc) channel(name string) (ch chan types.ProgressProperties, stop func()) {
	if f == nil {
		return nil, func() {}
	}
	ch = make(chan types.ProgressProperties, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p := range ch {
			f(eventOf(name, p))
		}
	}()
	return ch, func() { close(ch); <-done }
}

// eventOf translates one report.
func eventOf(name string, p types.ProgressProperties) Event {
	e := Event{Name: name, Digest: p.Artifact.Digest, Size: p.Artifact.Size, Offset: int64(p.Offset)}
	switch p.Event {
	case types.ProgressEventNewArtifact:
		e.Kind = EventBlob
	case types.ProgressEventRead:
		e.Kind = EventBytes
	case types.ProgressEventDone:
		e.Kind = EventBlobDone
	case types.ProgressEventSkipped:
		e.Kind = EventBlobExists
	}
	switch p.Artifact.MediaType {
	case "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json":
		e.Config = true
	}
	return e
}
