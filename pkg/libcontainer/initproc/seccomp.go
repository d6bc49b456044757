package initproc

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"golang.org/x/sys/unix"
)

// seccomp installs the filter, last of all, so that a profile need not allow what we do. What
// follows it are capset and execve. A refused capset changes nothing that execve would not
// set anew: root's sets come from the bounding set, others' from the ambient one.
func (in *initializer) seccomp() *launch.Failure {
	s := in.Process.Seccomp
	if s == nil {
		return nil
	}
	n := len(s.Filter) / int(unsafe.Sizeof(unix.SockFilter{}))
	if n == 0 || n > 4096 {
		return explain("seccomp", "", unix.EINVAL, fmt.Sprintf("filter of %d instructions", n))
	}
	prog := unix.SockFprog{Len: uint16(n), Filter: (*unix.SockFilter)(unsafe.Pointer(&s.Filter[0]))}
	install := func() (uintptr, unix.Errno) {
		const setModeFilter = 1 // SECCOMP_SET_MODE_FILTER
		r, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, setModeFilter, uintptr(s.Flags), uintptr(unsafe.Pointer(&prog)))
		if errno == unix.ENOSYS && s.Flags == 0 {
			r, _, errno = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0, 0)
		}
		return r, errno
	}
	if s.Listener {
		if f := in.installListening(install); f != nil {
			return f
		}
	} else if _, errno := install(); errno != 0 {
		return failure("seccomp", "", errno)
	}
	if !in.Process.NoNewPrivs && in.finalCaps.Permitted&sysAdmin == 0 {
		_ = capset(in.finalCaps)
	}
	return nil
}

// installListening installs a filter and hands its listener to the parent. From then on any call of this
// thread may wait for an answer of whoever gets the listener, which they can give only when they have it.
// The filter is this thread's alone: another thread hands the listener over, and the two talk by memory.
func (in *initializer) installListening(install func() (uintptr, unix.Errno)) *launch.Failure {
	debug.SetGCPercent(-1)                            // a collection would want to stop this thread
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))) // it keeps a processor to itself
	var listener, outcome atomic.Int64
	const failed = -1
	began := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(began)
		pause := unix.Timespec{Nsec: 20000}
		for listener.Load() == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
		}
		if fd := listener.Load(); fd > 0 {
			outcome.Store(int64(in.parent.handListener(int(fd))))
		}
	}()
	<-began
	// A signal would end with a call, sigreturn.
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return failure("seccomp", "signals", err)
	}
	fd, errno := install()
	if errno != 0 {
		listener.Store(failed)
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
		return failure("seccomp", "", errno)
	}
	listener.Store(int64(fd))
	for outcome.Load() == 0 {
		spin()
	}
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	if code := outcome.Load(); code != handed {
		return failure(launch.StageNotify, "", unix.Errno(code))
	}
	return nil
}

// spin passes a moment without a call of the kernel.
//
//go:noinline
func spin() {
	for i := 0; i < 100; i++ {
		_ = i
	}
}

// handed is the outcome of handListener when the parent has passed the listener on.
const handed = 1 << 30

// handListener sends the listener and waits until it was passed on. It closes it.
func (p *parent) handListener(fd int) int {
	err := unix.Sendmsg(p.fd, []byte{launch.MsgListener}, unix.UnixRights(fd), nil, 0)
	if err == nil {
		err = p.await(launch.MsgContinue)
	}
	_ = unix.Close(fd)
	if err == nil {
		return handed
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return int(errno)
	}
	return int(unix.EIO)
}
