// Package terminal connects the caller's terminal with a container: raw mode, window
// size, signals.
package terminal

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/catch"
	"github.com/manager-project/manager/pkg/monitor"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Config says what of the caller is attached.
type Config struct {
	// In, Out and Err are the caller's streams; nil leaves one out.
	In  *os.File
	Out io.Writer
	Err io.Writer
	// TTY says that the container's process has a terminal: In is then put in raw mode if it
	// is a terminal, and its size is followed.
	TTY bool
	// SigProxy passes signals on. With a terminal the keys do that, and signals are left alone.
	SigProxy bool
	// DetachKeys leave the container running; "" means none.
	DetachKeys string
}

// Session is an attachment in force. Close puts the terminal back.
type Session struct {
	Streams libpod.Streams

	restore func()
	once    sync.Once
	stop    []func()
}

// Open puts the terminal in raw mode and starts following signals and sizes. The session
// must be closed on every path; a signal that ends the program closes it first.
func Open(c Config) (*Session, error) {
	s := &Session{Streams: libpod.Streams{Stdin: c.In, Stdout: c.Out, Stderr: c.Err, DetachKeys: c.DetachKeys}}
	if c.TTY {
		if err := s.raw(c); err != nil {
			return nil, err
		}
	}
	if c.SigProxy {
		if err := s.proxy(); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// raw follows the terminal of In, or of Out when In is none.
func (s *Session) raw(c Config) error {
	tty := firstTerminal(c)
	if tty == nil {
		return nil
	}
	if c.In != nil && IsTerminal(c.In) {
		fd := int(c.In.Fd())
		saved, err := term.MakeRaw(fd)
		if err != nil {
			return err
		}
		s.restore = func() { _ = term.Restore(fd, saved) }
		s.restoreOnSignal(c.SigProxy)
	}
	s.followSize(tty)
	return nil
}

func firstTerminal(c Config) *os.File {
	if c.In != nil && IsTerminal(c.In) {
		return c.In
	}
	if f, ok := c.Out.(*os.File); ok && IsTerminal(f) {
		return f
	}
	return nil
}

// restoreOnSignal puts the terminal back before a deadly signal takes effect. When
// signals are passed on to the container they do not end this program.
func (s *Session) restoreOnSignal(proxied bool) {
	if proxied {
		return
	}
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	done := make(chan struct{})
	s.stop = append(s.stop, func() { signal.Stop(ch); close(done) })
	go func() {
		select {
		case sig := <-ch:
			s.restore()
			signal.Reset(sig)
			_ = syscall.Kill(os.Getpid(), sig.(syscall.Signal))
		case <-done:
		}
	}()
}

// followSize sends the size at once and after each SIGWINCH, dropping sizes that were
// overtaken.
func (s *Session) followSize(tty *os.File) {
	ch := make(chan monitor.Size, 1)
	winch := make(chan os.Signal, 1)
	signal.Notify(winch, syscall.SIGWINCH)
	done := make(chan struct{})
	s.stop = append(s.stop, func() { signal.Stop(winch); close(done) })
	s.Streams.Resize = ch
	if size, ok := SizeOf(tty); ok {
		ch <- size
	}
	go func() {
		for {
			select {
			case <-winch:
			case <-done:
				return
			}
			size, ok := SizeOf(tty)
			if !ok {
				continue
			}
			select {
			case <-ch:
			default:
			}
			ch <- size
		}
	}()
}

// proxy passes on what can be caught, but for the signals that concern this program.
func (s *Session) proxy() error {
	caught, err := catch.All(syscall.SIGCHLD, syscall.SIGPIPE, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
		syscall.SIGPROF, syscall.Signal(32), syscall.Signal(33)) // the last two are kept by the threads library
	if err != nil {
		return err
	}
	s.stop = append(s.stop, func() { _ = caught.Close() })
	ch := make(chan os.Signal, 32)
	s.Streams.Signals = ch
	return caught.To(ch)
}

// Close stops following and puts the terminal back. It may be called twice.
func (s *Session) Close() {
	s.once.Do(func() {
		for _, f := range s.stop {
			f()
		}
		if s.restore != nil {
			s.restore()
		}
	})
}

// WithContext closes the session when ctx ends.
func (s *Session) WithContext(ctx context.Context) { context.AfterFunc(ctx, s.Close) }

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// SizeOf returns a terminal's size in cells.
func SizeOf(f *os.File) (monitor.Size, bool) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return monitor.Size{}, false
	}
	return monitor.Size{Rows: w.Row, Columns: w.Col}, true
}

// WriterIsTerminal reports whether w is a terminal.
func WriterIsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && IsTerminal(f)
}

// ReadPassword reads a line without showing it.
func ReadPassword(f *os.File) (string, error) {
	b, err := term.ReadPassword(int(f.Fd()))
	return string(b), err
}
