package launch

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Holder is a process that does nothing. It keeps a place that is taken away when its last process leaves,
// such as a scope of systemd, until the container's init has been born there. It is a bare copy
// of the caller, in a session of its own and without the caller's descriptors, and it ends when
// the caller ends.
type Holder struct {
	// PID is its number in the caller's pid namespace.
	PID  int
	gate *os.File
	once sync.Once
}

// Hold starts a holder. The caller releases it.
func Hold() (*Holder, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	syscall.ForkLock.Lock()
	pid, errno := forkHolder(p[0])
	syscall.ForkLock.Unlock()
	_ = unix.Close(p[0])
	if errno != 0 {
		_ = unix.Close(p[1])
		return nil, os.NewSyscallError("clone", errno)
	}
	return &Holder{PID: pid, gate: os.NewFile(uintptr(p[1]), "gate")}, nil
}

// Release ends the holder and waits for its end. Calling it again does nothing.
func (h *Holder) Release() {
	h.once.Do(func() {
		_ = h.gate.Close()
		for {
			if _, err := unix.Wait4(h.PID, nil, 0, nil); err != unix.EINTR {
				return
			}
		}
	})
}

//go:noinline
//go:norace
//go:nocheckptr
func forkHolder(gate int) (pid int, errno syscall.Errno) {
	runtimeBeforeFork()
	r1, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || r1 != 0 {
		runtimeAfterFork()
		return int(r1), errno
	}
	runtimeAfterForkInChild()
	holdChild(gate)
	return 0, 0
}

// holdChild waits until the caller closes the other end of the gate, whose copy here must go first.
//
//go:noinline
//go:norace
//go:nocheckptr
//go:nosplit
func holdChild(gate int) {
	syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
	if gate != 0 {
		if _, _, errno := syscall.RawSyscall(unix.SYS_DUP3, uintptr(gate), 0, 0); errno != 0 {
			exit(1)
		}
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE_RANGE, 1, ^uintptr(0)>>32, 0); errno != 0 {
		closeOneByOne(1)
	}
	var b [1]byte
	for {
		_, _, errno := syscall.RawSyscall(unix.SYS_READ, 0, uintptr(unsafe.Pointer(&b[0])), 1)
		if errno != syscall.EINTR {
			exit(0)
		}
	}
}
