package image

import (
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

// EventKind says what an Event tells.
type EventKind int

const (
	// EventTrying says that Name is about to be fetched or written.
	EventTrying EventKind = iota
	// EventBlob says that the transfer of a blob begins.
	EventBlob
	// EventBytes says that Offset of Size bytes of a blob were transferred.
	EventBytes
	// EventBlobDone says that a blob is complete.
	EventBlobDone
	// EventBlobExists says that a blob was there already.
	EventBlobExists
	// EventRetry says that Err was transient and that the operation is tried again after Delay.
	EventRetry
	// EventWarning carries a Warning about an image that is stored nevertheless.
	EventWarning
)

// Event is one step of a transfer. Fields without a meaning for the kind are zero.
type Event struct {
	Kind EventKind
	// Name is the image or archive in the user's terms.
	Name string
	// Digest and Size (bytes; negative when unknown) are the blob's.
	Digest digest.Digest
	Size   int64
	// Config says that the blob is the image's config and not a layer.
	Config bool
	// Offset is the number of bytes transferred so far.
	Offset int64
	// Err and Delay belong to EventRetry; Attempt counts from 1.
	Err     error
	Delay   time.Duration
	Attempt int
	// Warning belongs to EventWarning.
	Warning Warning
}

// ProgressFunc receives events, one at a time, from another goroutine than the caller's.
// It must return quickly. Nil means that nobody looks.
type ProgressFunc func(Event)

// send calls f if there is one.
func (f ProgressFunc) send(e Event) {
	if f != nil {
		f(e)
	}
}

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
