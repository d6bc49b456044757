package catch

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

func TestRest(t *testing.T) {
	ch, done := make(chan os.Signal, 8), make(chan struct{})
	defer signal.Stop(ch)
	Rest(ch, done, syscall.SIGWINCH)
	for _, s := range []syscall.Signal{syscall.SIGALRM, syscall.SIGCONT, 40, 64} {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-ch:
			for got == os.Signal(syscall.SIGURG) || got == os.Signal(syscall.SIGCHLD) { // the Go runtime's, and other tests'
				got = <-ch
			}
			if got != os.Signal(s) {
				t.Errorf("caught %v, want %v", got, s)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%v was lost", s)
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGCONT); err != nil { // delivered after it
		t.Fatal(err)
	}
	for got := range ch {
		if got == os.Signal(syscall.SIGWINCH) {
			t.Error("caught what was left out")
		}
		if got == os.Signal(syscall.SIGCONT) {
			break
		}
	}
}

func TestRestEnds(t *testing.T) {
	ch, done := make(chan os.Signal, 8), make(chan struct{})
	close(done)
	defer signal.Stop(ch)
	signal.Ignore(syscall.SIGVTALRM)
	defer signal.Reset(syscall.SIGVTALRM)
	Rest(ch, done)
	if !signal.Ignored(syscall.SIGVTALRM) {
		t.Error("subscribed after the end")
	}
}
