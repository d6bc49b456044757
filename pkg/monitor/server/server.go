// Package server is the monitor: a small process that is the parent of a container's init
// from before its start until after its end.
//
// One goroutine, the loop, owns everything. What blocks (the launch's steps) runs beside it
// and posts its outcome.
//
//	preparing  the init is cloned and carries out its plan    owner gone: kill, leave nothing
//	waiting    live.json written, KindReady sent              owner gone: kill, leave nothing
//	starting   KindStart received                             from here on the owner may go
//	running    the user's program runs
//	draining   the init has ended, its last output is read
//	ended      exit.json written, lock released, KindExit sent; the clients' queues empty
//	           afterwards, with a restart to come: see restart.go
//
// With an external runtime the launch is a command of that program, which leaves the init to the
// monitor: see external.go.
//
// The monitor is no subreaper while a container runs: what a container with a pid namespace orphans is its init's to
// reap, and what one without orphans belongs to the host's reaper, as for any service. It
// ignores SIGHUP, SIGINT, SIGQUIT, SIGTERM and SIGPIPE, but that with Config.Stop it stops the container on
// SIGINT and SIGTERM; the init inherits none of that.
package server

import (
	"context"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

type phase int

const (
	preparing phase = iota
	waiting
	starting
	running
	draining
	ended
)

const (
	// drainIdle is how long the output must be silent after the init's end to count as over although
	// a surviving process holds it; drainMax and drainBytes end also one that goes on writing.
	drainIdle  = 250 * time.Millisecond
	drainMax   = 2 * time.Second
	drainBytes = 8 << 20
	// lingerMax is how long clients may take to read what is queued for them at the end.
	lingerMax = 2 * time.Second
	// hangUpPoll is how often a terminal that nobody has open is looked at again.
	hangUpPoll  = 100 * time.Millisecond
	acceptRetry = 100 * time.Millisecond
	// idleAfter is the silence after which memory is given back.
	idleAfter = time.Second
)

type server struct {
	cfg  monitor.Config
	loop *loop
	buf  *buffer
	log  logger
	// losses is what the log did not take.
	losses losses
	child  child
	start  starter
	phase  phase

	lock, listener, console int
	clients                 map[int]*client
	owner                   *client

	out []*source
	// pipes counts those that were made with a name.
	pipes int
	in    *sink

	// external is the program that makes the process, or nil; early is the beginning of what it said
	// on the container's streams, in place of which the program's output comes later.
	external *monitor.External
	early    []byte

	// signals came while the program was being started; it gets them once it is sure to run.
	signals []syscall.Signal

	live        monitor.Live
	cancelReady context.CancelFunc
	// startWanted remembers a KindStart that came before the init was ready.
	startWanted bool
	// aborted says that the owner went before the release: nothing is to be left.
	aborted  bool
	timedOut bool
	// queued says that a client's queue took memory.
	queued bool
	// exited says that the init has ended, held that the sources wait for the owner.
	exited, held bool
	status       launch.ExitStatus
	drained      int
	drainUntil   time.Time
	lastOutput   time.Time
	exitPacket   []byte
	// cleaned says that the owner has cleaned up.
	cleaned   bool
	lingering bool
	restart   restart
	// oom is nil where the kernel does not tell of kills for lack of memory.
	oom *oomWatch
	// ending is the cause of an end that the monitor itself wants, or ""; again that a start is to follow it.
	ending string
	again  bool
	// stops has something in it once a signal asked for a stop; nil when signals ask for nothing.
	stops chan struct{}
	// code is what the monitor itself ends with.
	code int
	// health and notifier are nil without a healthcheck and a service manager.
	health *health
	// abandoned is a check that was taken back and has not ended yet, or nil.
	abandoned *check
	notifier  *notifier
	// refusal is why the monitor itself lets the start fail.
	refusal               *launch.Failure
	idleArmed, drainArmed bool
	lastEvent             time.Time
}

func newServer(cfg monitor.Config) (*server, error) {
	l, err := newLoop()
	if err != nil {
		return nil, err
	}
	b, err := newBuffer()
	if err != nil {
		return nil, err
	}
	return &server{
		cfg: cfg, loop: l, buf: b, log: noLog{}, lock: -1, listener: -1, console: -1,
		clients: map[int]*client{},
	}, nil
}

// after makes the loop call f once d has passed.
func (s *server) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() { s.loop.post(f) })
}

// active notes that something happened, so that memory is given back when it ends.
func (s *server) active() {
	s.lastEvent = time.Now()
	s.lastOutput = s.lastEvent
	if !s.idleArmed {
		s.idleArmed = true
		s.after(idleAfter, s.idle)
	}
}

func (s *server) idle() {
	if left := idleAfter - time.Since(s.lastEvent); left > 0 {
		s.after(left, s.idle)
		return
	}
	s.idleArmed = false
	s.buf.release()
	if s.queued {
		// Only then: the first collection costs 600 kB of the collector's own.
		s.queued = false
		debug.FreeOSMemory()
	}
}

// drop ends a connection.
func (s *server) drop(c *client) {
	if c.gone {
		return
	}
	c.gone = true
	s.loop.remove(c.fd)
	_ = unix.Close(c.fd)
	delete(s.clients, c.fd)
	c.queue = nil
	s.left(c)
	if c.owner {
		s.owner = nil
		s.ownerLeft()
	}
	s.unpause()
	s.flushed()
}

// left is the end of a client's streams.
func (s *server) left(c *client) {
	c.streams = false
	if c.hadStdin && s.cfg.StdinOnce {
		s.stdinEOF()
	}
}

func (s *server) ownerLeft() {
	switch s.phase {
	case preparing:
		s.aborted = true
		s.cancelReady()
	case waiting:
		s.aborted = true
		s.kill()
		if s.exited {
			s.onExit()
		}
	default: // a started container does without its owner
	}
}

// handle carries out a client's packet; false ends the connection.
func (s *server) handle(c *client, m monitor.Message) bool {
	switch m.Kind {
	case monitor.KindStart, monitor.KindAbort, monitor.KindDone:
		return c.owner && s.handleOwner(c, m.Kind)
	case monitor.KindAttach:
		if m.Attach&monitor.AttachLossless != 0 && !c.owner {
			return false
		}
		c.flags, c.streams = m.Attach, true
		terminal := byte(0)
		if s.cfg.Terminal {
			terminal = 1
		}
		c.send([]byte{byte(monitor.KindAttached), terminal})
		s.sendExit(c)
	case monitor.KindDetach:
		s.left(c)
		s.unpause()
	case monitor.KindWait:
		c.waits = true
		s.sendExit(c)
	case monitor.KindStdin:
		if c.streams && c.flags&monitor.AttachStdin != 0 {
			s.stdin(c, m.Data)
		}
	case monitor.KindStdinEOF:
		if c.streams && c.flags&monitor.AttachStdin != 0 {
			s.stdinEOF()
		}
	case monitor.KindResize:
		if !c.sized {
			c.sized = true
			s.redraw(m.Size)
		}
		s.resize(s.console, m.Size)
	case monitor.KindSignal:
		s.signal(m.Signal)
	case monitor.KindCheck:
		s.askHealth(c)
	case monitor.KindUpdate:
		s.update(c)
	default:
		return false
	}
	return !c.gone
}

// maxSignals bounds the signals that are kept for a program that is being started.
const maxSignals = 64

// signal passes a signal on to the user's program. One that comes during the start waits: before the
// execve it would end the init, and of an external runtime's program only the runtime knows when that is.
func (s *server) signal(sig syscall.Signal) {
	switch {
	case s.phase == running:
		// The init may have ended in this moment; its exit says so.
		_ = s.child.Signal(sig)
	case s.phase == starting && len(s.signals) < maxSignals:
		s.signals = append(s.signals, sig)
	}
}

func (s *server) handleOwner(c *client, k monitor.Kind) bool {
	switch k {
	case monitor.KindStart:
		switch s.phase {
		case preparing:
			s.startWanted = true
		case waiting:
			s.release()
		default:
			c.send(append([]byte{byte(monitor.KindError)}, "the container was started already"...))
		}
	case monitor.KindAbort:
		return false
	case monitor.KindDone:
		s.cleaned = true
	default: // the rest is not the owner's to say
	}
	return true
}
