package catch

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wait waits until there is a signal.
func wait(t *testing.T, s *Signals) syscall.Signal {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if n := s.Next(); n != 0 {
			return n
		}
		p := []unix.PollFd{{Fd: int32(s.FD()), Events: unix.POLLIN}}
		_, _ = unix.Poll(p, 1000)
	}
	t.Fatal("no signal came")
	return 0
}

func send(t *testing.T, n syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), n); err != nil {
		t.Fatal(err)
	}
}

func TestAll(t *testing.T) {
	s, err := All(unix.SIGWINCH)
	if err != nil {
		t.Fatal(err)
	}
	// At once, and not when something is scheduled.
	for n := syscall.Signal(1); n <= last; n++ {
		if n == unix.SIGKILL || n == unix.SIGSTOP || n == unix.SIGURG || n == unix.SIGWINCH || slices.Contains(raised, n) {
			continue
		}
		send(t, n)
		if got := wait(t, s); got != n {
			t.Errorf("caught %d, want %d", got, n)
		}
	}
	// In their order; what was left out is not there.
	for range 1000 {
		send(t, unix.SIGTERM)
		send(t, unix.SIGWINCH)
		send(t, unix.SIGINT)
		got := []syscall.Signal{wait(t, s), wait(t, s)}
		slices.Sort(got) // two that wait at the same time are delivered in the kernel's order
		if got[0] != unix.SIGINT || got[1] != unix.SIGTERM {
			t.Fatalf("caught %v", got)
		}
	}
	if n := s.Next(); n != 0 {
		t.Errorf("caught %d without reason", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAllRaised(t *testing.T) {
	s, err := All()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	s.FD()  // begins it
	<-s.all // they would end the program before
	for _, n := range raised {
		send(t, n)
		if got := wait(t, s); got != n {
			t.Errorf("caught %d, want %d", got, n)
		}
	}
}

func TestCloseGivesBack(t *testing.T) {
	look := func() (masks []string) {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "SigIgn:") || strings.HasPrefix(line, "SigCgt:") {
				masks = append(masks, line)
			}
		}
		return masks
	}
	before := look()
	for range 3 {
		s, err := All()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := look(); !slices.Equal(after, before) {
		t.Errorf("handlers were\n%v\nand are\n%v", before, after)
	}
}

// TestUnderWork lets signals come while goroutines grow their stacks, collect garbage and change threads.
func TestUnderWork(t *testing.T) {
	s, err := All()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	stop := make(chan struct{})
	defer close(stop)
	for range 4 {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					grow(200)
				}
			}
		}()
	}
	for range 5000 {
		send(t, unix.SIGUSR1)
		if got := wait(t, s); got != unix.SIGUSR1 {
			t.Fatalf("caught %d", got)
		}
	}
}

func grow(depth int) int {
	var room [256]byte
	if depth == 0 {
		return len(make([]byte, 1<<16)) + int(room[0])
	}
	return grow(depth-1) + int(room[depth%256])
}
