package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// Session is the owner's connection to a monitor that it started.
//
//	Ready → [Attach] → Start → Wait → Done        a foreground run
//	Ready → Start → Release                       a detached start
//	Abort, or the end of this process             before Start: nothing is left
//	Release, or the end of this process           after Start: the monitor cleans up at the exit
//
// Its methods may be called from several goroutines.
type Session struct {
	cfg  Config
	conn *conn
	// stderr is a memory file with what the monitor's Go runtime said when it crashed.
	stderr *os.File

	ready, started, exited, attached *event
	// gone is done when the monitor has closed the connection; reaped when its process was waited for.
	gone, reaped *event

	mu     sync.Mutex
	live   Live
	exit   ExitRecord
	stream *Attachment
}

// ErrEnded is the cause when the monitor has ended without a word, which is what one does that was killed.
var ErrEnded = errors.New("the monitor ended")

// event happens once, well or with an error.
type event struct {
	once sync.Once
	ch   chan struct{}
	err  error
}

func newEvent() *event { return &event{ch: make(chan struct{})} }

func (e *event) happen(err error) { e.once.Do(func() { e.err = err; close(e.ch) }) }

func (e *event) wait(ctx context.Context) error {
	select {
	case <-e.ch:
		return e.err
	default:
	}
	select {
	case <-e.ch:
		return e.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newSession(cfg Config, c *conn, proc process, stderr *os.File) *Session {
	s := &Session{
		cfg: cfg, conn: c, stderr: stderr,
		ready: newEvent(), started: newEvent(), exited: newEvent(), attached: newEvent(),
		gone: newEvent(), reaped: newEvent(),
	}
	go func() {
		s.reaped.happen(proc.wait())
	}()
	return s
}

// Ready waits until the init has been prepared and waits for Start. The error is a
// *launch.Failure when the init said why it could not; nothing is left running then.
func (s *Session) Ready(ctx context.Context) (Live, error) {
	err := s.ready.wait(ctx)
	return s.liveNow(), err
}

// Start releases the init and waits until it has become the user's program. A program that
// is not there or cannot be executed comes back as *launch.Failure; the exit record has it too.
func (s *Session) Start(ctx context.Context) (Live, error) {
	if err := s.Send(KindStart, nil); err != nil {
		return Live{}, s.explain(err)
	}
	err := s.started.wait(ctx)
	return s.liveNow(), err
}

// Wait waits until the init has ended, its output was delivered and its exit record was written.
func (s *Session) Wait(ctx context.Context) (ExitRecord, error) {
	err := s.exited.wait(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exit, err
}

// Exited is closed when Wait does not have to wait any more.
func (s *Session) Exited() <-chan struct{} { return s.exited.ch }

// Attach joins the container's streams to o. Before Start, no byte of output is lost. It returns
// once the monitor has agreed; Attachment.Wait waits for the end.
func (s *Session) Attach(ctx context.Context, o AttachOptions) (*Attachment, error) {
	a := newAttachment(s.conn, s.cfg.RunDir, o)
	s.mu.Lock()
	if s.stream != nil {
		s.mu.Unlock()
		return nil, errdefs.New(errdefs.ErrState, "container", s.cfg.ID, "its owner is attached already")
	}
	s.stream = a
	s.mu.Unlock()
	if err := s.Send(KindAttach, []byte{byte(o.flags())}); err != nil {
		return nil, s.explain(err)
	}
	if err := s.attached.wait(ctx); err != nil {
		return nil, err
	}
	a.begin(ctx)
	return a, nil
}

// Lost is why the connection to the monitor has ended, or nil while it stands.
func (s *Session) Lost() error {
	select {
	case <-s.gone.ch:
		return s.gone.err
	default:
		return nil
	}
}

// Send sends a control packet: KindSignal, KindResize.
func (s *Session) Send(k Kind, payload []byte) error { return s.conn.send(k, payload) }

// Done says that the caller has cleaned up after the exit, and ends the session.
func (s *Session) Done() error {
	err := s.Send(KindDone, nil)
	s.leave()
	return err
}

// Release leaves: from now on the monitor cleans up at the exit. Before Start it is Abort without
// waiting.
func (s *Session) Release() { s.leave() }

// Abort kills an init that was not released and waits until the monitor is gone. After Start it
// only leaves.
func (s *Session) Abort(ctx context.Context) error {
	// The monitor may be gone already, which is what is wanted.
	_ = s.Send(KindAbort, nil)
	err := s.gone.wait(ctx)
	s.leave()
	if errors.Is(err, ctx.Err()) && err != nil {
		return err
	}
	return s.reaped.wait(ctx)
}

func (s *Session) leave() { _ = s.conn.close() }

func (s *Session) liveNow() Live {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// receive is the session's reader. Output goes to the attachment in this goroutine, so that a
// caller who does not read holds the monitor back and not this process's memory.
func (s *Session) receive() {
	buf := make([]byte, MaxPacket)
	for {
		k, p, err := s.conn.recv(buf)
		if err == nil {
			err = s.handle(k, p)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

func (s *Session) handle(k Kind, p []byte) error {
	switch k {
	case KindReady, KindStarted:
		var l Live
		if err := json.Unmarshal(p, &l); err != nil {
			return err
		}
		s.mu.Lock()
		s.live = l
		s.mu.Unlock()
		s.ready.happen(nil)
		if k == KindStarted {
			s.started.happen(nil)
		}
	case KindFailure:
		f := &launch.Failure{}
		if err := json.Unmarshal(p, f); err != nil {
			return err
		}
		s.fail(f)
	case KindError:
		s.fail(errdefs.New(errdefs.ErrUnavailable, "container", s.cfg.ID, "monitor: %s", p))
	case KindAttached:
		s.attached.happen(nil)
	case KindExit:
		return s.handleExit(p)
	default:
		s.mu.Lock()
		a := s.stream
		s.mu.Unlock()
		if a != nil {
			a.handle(k, p)
		}
	}
	return nil
}

func (s *Session) handleExit(p []byte) error {
	var e ExitRecord
	if err := json.Unmarshal(p, &e); err != nil {
		return err
	}
	s.mu.Lock()
	s.exit = e
	a := s.stream
	s.mu.Unlock()
	s.exited.happen(nil)
	if a != nil {
		a.finish(AttachResult{Exit: &e}, nil)
	}
	return nil
}

// fail answers whoever waits for a step that will not come.
func (s *Session) fail(err error) {
	s.ready.happen(err)
	s.started.happen(err)
	s.attached.happen(err)
}

// end answers everybody: the connection is closed.
func (s *Session) end(err error) {
	gone := s.explain(err)
	s.fail(gone)
	s.exited.happen(gone)
	s.mu.Lock()
	a := s.stream
	s.mu.Unlock()
	if a != nil {
		a.finish(AttachResult{}, gone)
	}
	s.gone.happen(gone)
}

// explain turns the end of a connection into what happened to the monitor.
func (s *Session) explain(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return errdefs.New(errdefs.ErrState, "container", s.cfg.ID, "its monitor was released")
	}
	cause := err
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		cause = ErrEnded
	}
	if line := s.crashLine(); line != "" {
		cause = fmt.Errorf("the monitor crashed: %s", line)
	}
	return errdefs.New(errdefs.ErrUnavailable, "container", s.cfg.ID, "%w", cause)
}

// crashLine is the first line of what the monitor's Go runtime said, or "".
func (s *Session) crashLine() string {
	buf := make([]byte, 512)
	n, _ := s.stderr.ReadAt(buf, 0)
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	return line
}
