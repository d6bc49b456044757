package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// AttachOptions are the caller's side of a container's streams. Nil streams are not asked for.
type AttachOptions struct {
	// Stdin is read until its end, which is passed on. A read in progress when the attachment ends
	// is not interrupted, and what it then yields is lost.
	Stdin io.Reader
	// Stdout and Stderr get the output from the attachment on; with a terminal all is on Stdout.
	Stdout, Stderr io.Writer
	// DetachKeys end the attachment when they are read from Stdin: see ParseDetachKeys. Empty
	// disables.
	DetachKeys []byte
	// Resize are the terminal's sizes, Signals those to pass to the init. Both may be nil.
	Resize  <-chan Size
	Signals <-chan syscall.Signal
	// Lossless makes the container wait when the writers do, as it would for a pipe. Only for
	// Session.Attach; other clients are dropped when they fall a mebibyte behind.
	Lossless bool
}

func (o *AttachOptions) flags() AttachFlags {
	var f AttachFlags
	if o.Stdin != nil {
		f |= AttachStdin
	}
	if o.Stdout != nil {
		f |= AttachStdout
	}
	if o.Stderr != nil {
		f |= AttachStderr
	}
	if o.Lossless {
		f |= AttachLossless
	}
	return f
}

// AttachResult says how an attachment ended: by the detach keys, or with the init (Exit set).
type AttachResult struct {
	Detached bool
	Exit     *ExitRecord
}

// Attachment is a client's streams joined to a container's.
type Attachment struct {
	conn   *conn
	runDir string
	o      AttachOptions
	over   *event
	res    AttachResult
}

func newAttachment(c *conn, runDir string, o AttachOptions) *Attachment {
	return &Attachment{conn: c, runDir: runDir, o: o, over: newEvent()}
}

// Wait waits for the end. The error is of class ErrUnavailable when the monitor ended without
// an exit, or dropped this client because it read too slowly; or it is the writers' own.
func (a *Attachment) Wait(ctx context.Context) (AttachResult, error) {
	err := a.over.wait(ctx)
	if errors.Is(err, ctx.Err()) && err != nil {
		return AttachResult{}, err
	}
	return a.res, err
}

func (a *Attachment) finish(r AttachResult, err error) {
	a.over.once.Do(func() {
		a.res, a.over.err = r, err
		close(a.over.ch)
	})
}

// begin starts what goes towards the container.
func (a *Attachment) begin(ctx context.Context) {
	if a.o.Stdin != nil {
		go a.sendStdin()
	}
	if a.o.Resize != nil || a.o.Signals != nil {
		go a.sendControls(ctx)
	}
}

// handle takes one packet of output. It runs in the connection's reader.
func (a *Attachment) handle(k Kind, p []byte) {
	select {
	case <-a.over.ch:
		return
	default:
	}
	w := a.o.Stdout
	switch k {
	case KindStdout:
	case KindStderr:
		w = a.o.Stderr
	case KindDropped:
		a.finish(AttachResult{}, &errdefs.Error{
			Op: "attach", Class: errdefs.ErrUnavailable,
			Cause: errors.New("the output came faster than it was read"),
			Hint:  "the container's log has all of it",
		})
		return
	default:
		return
	}
	if w == nil {
		return
	}
	if _, err := w.Write(p); err != nil {
		a.leave(AttachResult{}, fmt.Errorf("write the container's output: %w", err))
	}
}

func (a *Attachment) leave(r AttachResult, err error) {
	// If the monitor cannot be told, its end of the connection says the same.
	_ = a.conn.trySend(KindDetach, nil)
	a.finish(r, err)
}

func (a *Attachment) sendStdin() {
	buf := make([]byte, MaxPayload)
	keys := matcher{keys: a.o.DetachKeys}
	var out []byte
	for {
		n, err := a.o.Stdin.Read(buf[:MaxPayload-len(a.o.DetachKeys)])
		select {
		case <-a.over.ch:
			return
		default:
		}
		var detach bool
		out, detach = keys.filter(out[:0], buf[:n])
		if err != nil && !detach {
			out = append(out, keys.rest()...)
		}
		if len(out) > 0 && a.conn.send(KindStdin, out) != nil {
			return
		}
		if detach {
			a.leave(AttachResult{Detached: true}, nil)
			return
		}
		if err != nil {
			_ = a.conn.send(KindStdinEOF, nil)
			return
		}
	}
}

func (a *Attachment) sendControls(ctx context.Context) {
	resize, signals := a.o.Resize, a.o.Signals
	for resize != nil || signals != nil {
		var err error
		select {
		case s, ok := <-resize:
			if !ok {
				resize = nil
				continue
			}
			err = a.control(KindResize, s.Encode())
		case s, ok := <-signals:
			if !ok {
				signals = nil
				continue
			}
			err = a.control(KindSignal, []byte{byte(s)})
		case <-a.over.ch:
			return
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// control sends a packet that nothing may hold up: if standard input has filled the connection, by
// another one.
func (a *Attachment) control(k Kind, payload []byte) error {
	err := a.conn.trySend(k, payload)
	if errors.Is(err, unix.EAGAIN) {
		err = control(a.runDir, k, payload)
	}
	return err
}
