package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/manager-project/manager/pkg/catch"
	"github.com/manager-project/manager/pkg/errdefs"
)

// graceAfterSignal is how long a command may take to stop in good order. What it leaves behind
// when that was too short, the next command takes for the remains of a kill.
const graceAfterSignal = 700 * time.Millisecond

// interrupts are what the user's signals do to a command.
type interrupts struct {
	received atomic.Int32 // the first signal, 0 for none
	cancel   context.CancelFunc
	// release ends the catching, once; nil for commands that handle signals on their own.
	release func()
}

// interruptible returns a context that ends at the first interrupt, so that work stops in
// good order; the program ends a little later at the latest, and at a second signal at once.
// Commands that pass signals on to a program handle them on their own.
func interruptible(args []string, errOut io.Writer) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &interrupts{cancel: cancel}
	for _, a := range args[1:] {
		switch a {
		case "run", "start", "attach", "exec", "unshare":
			return ctx, s
		}
	}
	caught, err := catch.Only(syscall.SIGINT, syscall.SIGTERM)
	if err != nil {
		return ctx, s // signals keep their default effect, which every command survives
	}
	ch := make(chan os.Signal, 1)
	if err := caught.To(ch); err != nil {
		_ = caught.Close()
		return ctx, s
	}
	s.release = sync.OnceFunc(func() { _ = caught.Close() })
	go s.watch(ctx, ch, errOut)
	return ctx, s
}

func (s *interrupts) watch(ctx context.Context, ch <-chan os.Signal, errOut io.Writer) {
	var sig syscall.Signal
	select {
	case <-ctx.Done():
		return // the command has ended
	case got := <-ch:
		sig = got.(syscall.Signal)
	}
	s.release() // a second signal ends the program at once
	s.received.Store(int32(sig))
	s.cancel()
	time.Sleep(graceAfterSignal)
	printLine(errOut, errInterrupted, "")
	os.Exit(s.code(1))
}

// stop takes no more signals.
func (s *interrupts) stop() {
	s.cancel()
	if s.release != nil {
		s.release()
	}
}

// explain says of work that failed after the signal that it was interrupted, in place of where that was: what
// was given up may name its last attempt's trouble and not the end of the context.
func (s *interrupts) explain(err error, words string) error {
	if s.received.Load() == 0 || err == nil {
		return err
	}
	return &errdefs.Error{Op: words, Cause: errInterrupted}
}

var errInterrupted = errors.New("interrupted")

// code is the exit code of a command: 128+n when it failed after signal n, else what it is otherwise.
func (s *interrupts) code(otherwise int) int {
	if sig := s.received.Load(); sig != 0 && otherwise != 0 {
		return 128 + int(sig)
	}
	return otherwise
}
