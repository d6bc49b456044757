package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Attach joins the streams of a running container to o until the init ends, the detach keys are
// read, or ctx ends. The class is ErrState when no monitor listens, ErrUnavailable when it
// ended or dropped this client, ErrUnsupported with Lossless.
func Attach(ctx context.Context, runDir string, o AttachOptions) (AttachResult, error) {
	if o.Lossless {
		return AttachResult{}, errdefs.Unsupported("attach", "only the starter of a container can hold its output back")
	}
	c, err := dial(runDir)
	if err != nil {
		return AttachResult{}, notListening(err)
	}
	defer func() { _ = c.close() }()
	defer context.AfterFunc(ctx, func() { _ = c.close() })()
	a := newAttachment(c, runDir, o)
	if err := c.send(KindAttach, []byte{byte(o.flags())}); err != nil {
		return AttachResult{}, notListening(err)
	}
	go a.receive(ctx)
	res, err := a.Wait(ctx)
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	return res, err
}

// receive reads for an attachment with a connection of its own.
func (a *Attachment) receive(ctx context.Context) {
	buf := make([]byte, MaxPacket)
	for {
		k, p, err := a.conn.recv(buf)
		switch {
		case err != nil:
			a.finish(AttachResult{}, monitorGone(err))
			return
		case k == KindAttached:
			a.begin(ctx)
		case k == KindError:
			a.finish(AttachResult{}, &errdefs.Error{Op: "attach", Class: errdefs.ErrState, Cause: errors.New(string(p))})
		case k == KindExit:
			var e ExitRecord
			if err := json.Unmarshal(p, &e); err != nil {
				a.finish(AttachResult{}, err)
				return
			}
			a.finish(AttachResult{Exit: &e}, nil)
		default:
			a.handle(k, p)
		}
		if a.isOver() {
			return
		}
	}
}

func (a *Attachment) isOver() bool {
	select {
	case <-a.over.ch:
		return true
	default:
		return false
	}
}

// control sends one packet over a connection of its own.
func control(runDir string, k Kind, payload []byte) error {
	c, err := dial(runDir)
	if err != nil {
		return notListening(err)
	}
	defer func() { _ = c.close() }()
	if err := c.send(k, payload); err != nil {
		return notListening(err)
	}
	return nil
}

// Resize sets the size of a running container's terminal. The class is ErrState when no
// monitor listens.
func Resize(runDir string, s Size) error { return control(runDir, KindResize, s.Encode()) }

func notListening(err error) error {
	for _, e := range []error{unix.ENOENT, unix.ECONNREFUSED, unix.EPIPE, unix.ECONNRESET} {
		if errors.Is(err, e) {
			return &errdefs.Error{Op: "attach", Class: errdefs.ErrState, Cause: errors.New("no monitor listens: the container is not running or its monitor was killed")}
		}
	}
	return err
}

func monitorGone(err error) error {
	if errors.Is(err, io.EOF) {
		err = ErrEnded
	}
	return &errdefs.Error{Op: "attach", Class: errdefs.ErrUnavailable, Cause: err}
}
