package image

import (
	"time"

	"github.com/opencontainers/go-digest"
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
	// EventShift says that Offset files of a root filesystem were given to a container's ids.
	EventShift
	// EventShiftDone says that all were.
	EventShiftDone
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
