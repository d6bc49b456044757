package libpod

import (
	"errors"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

// firstSize is the window's size at the beginning, taken from Resize if it is there already. A
// program may ask for the size in its first instruction, so the terminal is made with it.
func (s *Streams) firstSize() *specs.Box {
	if s == nil || s.Resize == nil {
		return nil
	}
	select {
	case size := <-s.Resize:
		return &specs.Box{Height: uint(size.Rows), Width: uint(size.Columns)}
	default:
		return nil
	}
}

// pump joins the caller's streams and a terminal. The returned function waits until all
// output has been copied; call it once the process has ended. detached is closed when the
// detach keys were read.
func pump(console *os.File, o ExecOptions, detached chan<- struct{}) (func(), error) {
	if console == nil {
		return nil, errNoTTY
	}
	s := o.Streams
	if s == nil {
		return func() { _ = console.Close() }, nil
	}
	keys, err := monitor.ParseDetachKeys(s.DetachKeys)
	if err != nil {
		return nil, errors.Join(err, console.Close())
	}
	if o.Interactive && s.Stdin != nil {
		go func() {
			in := monitor.NewDetachReader(s.Stdin, keys)
			// The terminal's end is seen by the other direction; here only the keys matter.
			if _, err := io.Copy(console, in); errors.Is(err, monitor.ErrDetached) {
				close(detached)
			}
		}()
	}
	if s.Resize != nil {
		go func() {
			for size := range s.Resize {
				_ = unix.IoctlSetWinsize(int(console.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Columns})
			}
		}()
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		if s.Stdout != nil {
			// Ends with EIO when the last holder of the terminal's other side has gone.
			_, _ = io.Copy(s.Stdout, console)
		}
	}()
	return func() {
		<-copied
		_ = console.Close()
	}, nil
}
