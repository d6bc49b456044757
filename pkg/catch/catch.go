// Package catch collects signals that are to be passed on to another process, without delaying that process.
//
// Each signal that os/signal subscribes to takes the Go runtime some changes of threads: for those that people send
// alone that is a tenth of the time that a container needs to start. Here a signal handler of a few instructions
// writes the number into a pipe, and installing it is one system call. The signals that the Go runtime has to see, because
// the processor raises them too, take the slow way a little later. Source: signal(7), signal-safety(7), "The self-pipe trick".
package catch

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// last is the highest signal of Linux, SIGRTMAX.
const last = 64

// raised are the signals that the processor raises too.
var raised = []syscall.Signal{unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS}

// moment is how long the other process runs before what takes time is caught.
const moment = 25 * time.Millisecond

// Signals are caught signals, in their order.
type Signals struct {
	r, w     int
	put      func() error // gives the handled ones back
	slow     []os.Signal  // those that are caught late
	begun    sync.Once
	late     chan os.Signal
	all      chan struct{} // closed when the late ones are caught, too
	closing  chan struct{}
	finished sync.WaitGroup
	later    *time.Timer
}

// held keeps a process from catching twice at a time: there is one pipe. It stays open for good, since a handler may
// still be at work when its signal has been given back.
var (
	held  sync.Mutex
	queue [2]int
)

// All catches every signal that can be caught, from now on, but those given and SIGURG, which the Go runtime
// sends itself. Those that the processor raises too are caught a moment after the first call of FD or To. One set of signals at a time can be caught; a second All waits for the Close of the first.
func All(but ...syscall.Signal) (*Signals, error) {
	but = append(but, unix.SIGURG, unix.SIGKILL, unix.SIGSTOP)
	var wanted []syscall.Signal
	for n := syscall.Signal(1); n <= last; n++ {
		if !slices.Contains(but, n) {
			wanted = append(wanted, n)
		}
	}
	return Only(wanted...)
}

// Only is All for these signals.
func Only(wanted ...syscall.Signal) (*Signals, error) {
	held.Lock()
	s, err := only(wanted)
	if err != nil {
		held.Unlock()
		return nil, fmt.Errorf("catch signals: %w", err)
	}
	return s, nil
}

func only(wanted []syscall.Signal) (*Signals, error) {
	if queue == [2]int{} {
		if err := unix.Pipe2(queue[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			return nil, err
		}
	}
	s := &Signals{r: queue[0], w: queue[1], late: make(chan os.Signal, 8), all: make(chan struct{}), closing: make(chan struct{})}
	var quick []syscall.Signal
	for _, n := range wanted {
		if slices.Contains(raised, n) {
			s.slow = append(s.slow, n)
		} else {
			quick = append(quick, n)
		}
	}
	var err error
	if s.put, err = install(s.w, quick); err != nil {
		return nil, err
	}
	return s, nil
}

// begin lets the rest be caught in a moment. A timer, as a goroutine, wakes a thread, so there is none before somebody waits.
func (s *Signals) begin() {
	s.begun.Do(func() {
		if len(s.slow) == 0 { // none would be all
			close(s.all)
			return
		}
		s.finished.Add(1)
		s.later = time.AfterFunc(moment, s.subscribe)
	})
}

// subscribe catches the rest by way of the Go runtime.
func (s *Signals) subscribe() {
	defer s.finished.Done()
	select {
	case <-s.closing:
		return
	default:
	}
	signal.Notify(s.late, s.slow...)
	close(s.all)
	defer signal.Stop(s.late)
	for {
		select {
		case <-s.closing:
			return
		case n := <-s.late:
			_, _ = unix.Write(s.w, []byte{byte(n.(syscall.Signal))})
		}
	}
}

// FD is a descriptor that is readable when Next has a signal. It stays this package's.
func (s *Signals) FD() int {
	s.begin()
	return s.r
}

// Next is the next signal, 0 if there is none now. A signal that comes while 65,536 wait is lost.
func (s *Signals) Next() syscall.Signal {
	var b [1]byte
	for {
		n, err := unix.Read(s.r, b[:])
		if err == unix.EINTR {
			continue
		}
		if n != 1 {
			return 0
		}
		return syscall.Signal(b[0])
	}
}

// To sends the signals to a channel until Close, in the place of FD and Next. One that finds it full is lost.
func (s *Signals) To(ch chan<- os.Signal) error {
	s.begin()
	fd, err := unix.FcntlInt(uintptr(s.r), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("catch signals: %w", err)
	}
	// As a file it is waited for by the runtime's poller, which takes no thread.
	r := os.NewFile(uintptr(fd), "signals")
	s.finished.Add(1)
	go func() {
		defer s.finished.Done()
		defer func() { _ = r.Close() }()
		var b [1]byte
		for {
			if _, err := r.Read(b[:]); err != nil {
				return
			}
			select {
			case <-s.closing:
				return
			default:
			}
			select {
			case ch <- syscall.Signal(b[0]):
			default:
			}
		}
	}()
	return nil
}

// Close ends it: signals do again what they did before.
func (s *Signals) Close() error {
	err := s.put()
	close(s.closing)
	if s.later != nil && s.later.Stop() {
		s.finished.Done()
	}
	_, _ = unix.Write(s.w, []byte{0}) // wakes who waits
	s.finished.Wait()
	var rest [4096]byte
	for n := len(rest); n == len(rest); {
		n, _ = unix.Read(s.r, rest[:])
	}
	held.Unlock()
	return err
}
