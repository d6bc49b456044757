// Package logs reads what containers wrote: the files of the drivers k8s-file and json-file, and the
// system's journal.
//
// A log of files is Path and, after rotations, Path.1, Path.2, … before it, the oldest with the highest
// number. Readers take no lock and share nothing with the writer: a record counts from the moment its
// newline is there, so a torn last record is not seen yet, and an unreadable one (a disk was full) is
// passed over. A reader that follows has the file open that it reads, whatever its name has become.
package logs

import (
	"context"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The drivers whose files can be read.
const (
	K8sFile  = "k8s-file"
	JSONFile = "json-file"
	Journald = "journald"
)

// All is the Tail that means the whole log.
const All = -1

// Options say what to read.
type Options struct {
	// Path is the log's current file.
	Path string
	// Files is how many files the log has at most, Path included.
	Files int
	// Driver is K8sFile, JSONFile or Journald.
	Driver string
	// ID is the container's full id, by which the journal is read.
	ID string
	// Since and Until bound the records' times, both included. Zero means unbounded.
	Since, Until time.Time
	// Tail is how many of the last lines to begin with; 0 is none, All (negative) everything.
	Tail int
	// Follow goes on with what is written later, until Done is closed or Until has passed.
	Follow bool
	// Done is closed when nobody writes any more: the container has ended. Nil means never. What
	// was written before is still read.
	Done <-chan struct{}
	// Idle is called when everything that there is was delivered, before more is waited for. May be nil.
	Idle func() error
	// Lost is called when a follower was so slow that a part of the log was rotated away unread, which it
	// then goes on behind. May be nil.
	Lost func()
}

// Line is one record.
type Line struct {
	Time time.Time
	// Stream is "stdout" or "stderr".
	Stream string
	// Partial says that the line goes on in the stream's next record.
	Partial bool
	// Text is the line without its newline. It is valid until the callback returns.
	Text []byte
}

// parser reads one record, without its newline.
type parser func(record []byte) (Line, error)

// Read calls f for every record that o asks for, in the order of writing. An error of f ends it
// and is returned as it is; so is ctx's. The classes are ErrInvalid for an unknown driver,
// ErrUnsupported for one that keeps nothing to read, ErrNotFound without a log file, unless
// Follow: then it is waited for.
func Read(ctx context.Context, o Options, f func(Line) error) error {
	r := reader{o: o, f: f}
	if o.Idle == nil {
		r.o.Idle = func() error { return nil }
	}
	switch o.Driver {
	case Journald:
		return readJournal(ctx, r.o, f)
	case K8sFile:
		r.parse = parseK8s
	case JSONFile:
		r.parse = parseJSON
	case "none", "passthrough", "passthrough-tty":
		return errdefs.Unsupported("logs", "the container's log driver is %s, which keeps nothing", o.Driver)
	default:
		return errdefs.Invalid("--log-driver", o.Driver, "it is not one whose logs can be read")
	}
	defer r.close()
	return r.read(ctx)
}
