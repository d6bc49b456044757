package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// watch waits for descriptors to become readable by way of the Go runtime's own poller. A thread that blocks in poll(2)
// holds on to what the runtime calls a processor, and as long as any is held a thread of the runtime's looks after it every
// 80 µs, beside the container's program: an eighth of a processor. While all goroutines wait for the poller, that thread sleeps.
type watch struct {
	set   *os.File // an epoll descriptor, which can itself be waited for
	first int
}

// newWatch watches descriptors, which stay the caller's.
func newWatch(first int, more ...int) (*watch, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	w := &watch{first: first}
	for _, fd := range append(more, first) {
		if err == nil {
			err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
		}
	}
	if err == nil {
		err = unix.SetNonblock(set, true) // os.NewFile hands what does not block to the poller
	}
	if err != nil {
		_ = unix.Close(set)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	w.set = os.NewFile(uintptr(set), "epoll")
	return w, nil
}

// wait returns when any of the descriptors is readable, and says whether the first is.
func (w *watch) wait() (first bool, err error) {
	raw, err := w.set.SyscallConn()
	if err != nil {
		return false, err
	}
	var events [4]unix.EpollEvent
	var n int
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, failed = unix.EpollWait(int(fd), events[:], 0)
		return n > 0 || failed != nil && failed != unix.EINTR
	})
	if err == nil {
		err = os.NewSyscallError("epoll_wait", failed)
	}
	for _, e := range events[:max(n, 0)] {
		first = first || int(e.Fd) == w.first
	}
	return first, err
}

func (w *watch) close() { _ = w.set.Close() }
