package server

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// loop is the monitor's event loop: one goroutine owns all state, and everything that happens
// arrives there as a call. It waits in Go's poller (an epoll descriptor can itself be polled),
// so an idle monitor has no thread in a system call of its own.
type loop struct {
	epfd     int
	file     *os.File
	raw      syscall.RawConn
	wakeFD   int
	handlers map[int32]func(events uint32)
	mu       sync.Mutex
	posted   []func()
	stopped  bool
}

func newLoop() (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(epfd, true); err != nil {
		_ = unix.Close(epfd)
		return nil, err
	}
	l := &loop{epfd: epfd, file: os.NewFile(uintptr(epfd), "epoll"), handlers: map[int32]func(uint32){}}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		return nil, err
	}
	if l.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	return l, l.add(l.wakeFD, unix.EPOLLIN, func(uint32) { l.runPosted() })
}

// add watches fd. The handler runs in the loop.
func (l *loop) add(fd int, events uint32, h func(uint32)) error {
	l.handlers[int32(fd)] = h
	return unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// watch changes what is awaited of fd. With 0, only errors and hang-ups are.
func (l *loop) watch(fd int, events uint32) {
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// remove forgets fd; it must still be open.
func (l *loop) remove(fd int) {
	delete(l.handlers, int32(fd))
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// post makes the loop call f soon. It is the only method for other goroutines.
func (l *loop) post(f func()) {
	l.mu.Lock()
	l.posted = append(l.posted, f)
	l.mu.Unlock()
	one := [8]byte{0: 1}
	_, _ = unix.Write(l.wakeFD, one[:])
}

func (l *loop) runPosted() {
	var count [8]byte
	_, _ = unix.Read(l.wakeFD, count[:])
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range posted {
		f()
	}
}

// run calls handlers until stop.
func (l *loop) run() error {
	var events [16]unix.EpollEvent
	for !l.stopped {
		n := 0
		var err error
		rerr := l.raw.Read(func(fd uintptr) bool {
			n, err = unix.EpollWait(int(fd), events[:], 0)
			return n != 0 || err != nil
		})
		if rerr != nil {
			return rerr
		}
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			// A handler before this one may have removed it.
			if h := l.handlers[e.Fd]; h != nil {
				h(e.Events)
			}
		}
	}
	return nil
}

func (l *loop) stop() { l.stopped = true }
