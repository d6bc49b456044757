package launch

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MakeNetwork begins to make a network namespace on another thread, which takes the kernel half of the time of a clone
// that makes five. What comes is the namespace, whom nobody is in, or nil where it cannot be made. The receiver
// closes it. Source: network_namespaces(7).
func MakeNetwork() <-chan *os.File {
	made := make(chan *os.File, 1)
	go func() {
		fd, errno, stray := makeNetwork()
		if stray {
			// Never unlocked, the thread dies with its goroutine.
			runtime.LockOSThread()
		}
		if errno != 0 {
			made <- nil
			return
		}
		made <- os.NewFile(uintptr(fd), "network namespace")
	}()
	return made
}

// threadNetwork is the calling thread's.
var threadNetwork = []byte("/proc/thread-self/ns/net\x00")

// makeNetwork has the calling thread enter a new network namespace, open it and go back. What keeps signals and the
// scheduler away at a fork does so here: neither may another goroutine run there, nor this one go on elsewhere. A thread
// that could not go back is a stray one.
//
//go:noinline
//go:norace
//go:nocheckptr
func makeNetwork() (fd int, errno syscall.Errno, stray bool) {
	runtimeBeforeFork()
	fd, errno, stray = visitNetwork()
	runtimeAfterFork()
	return fd, errno, stray
}

//go:norace
//go:nocheckptr
//go:nosplit
func visitNetwork() (fd int, errno syscall.Errno, stray bool) {
	at := unix.AT_FDCWD
	name := uintptr(unsafe.Pointer(&threadNetwork[0]))
	own, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(at), name, unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return -1, errno, false
	}
	made := ^uintptr(0)
	if _, _, errno = syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWNET, 0, 0); errno == 0 {
		made, _, errno = syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(at), name, unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
		_, _, back := syscall.RawSyscall(unix.SYS_SETNS, own, unix.CLONE_NEWNET, 0)
		stray = back != 0
	}
	syscall.RawSyscall(unix.SYS_CLOSE, own, 0, 0)
	return int(made), errno, stray
}
