package initproc

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// resetSignals gives every signal its default action. Handlers end with execve, but what the
// caller ignored would stay ignored: a shell's background jobs ignore SIGINT and SIGQUIT,
// nohup SIGHUP, and make two of the C library's own, and a program that is stopped by one of
// these would never hear it.
func resetSignals() {
	// The kernel's struct sigaction; all zero is SIG_DFL, without flags. No architecture's is longer.
	var action [8]uint64
	const setBytes = 8 // of a kernel signal set, everywhere but on mips
	for sig := uintptr(1); sig <= 64; sig++ {
		// SIGKILL and SIGSTOP refuse, and have no other action.
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&action)), 0, setBytes, 0, 0)
	}
}
