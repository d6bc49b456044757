package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// siginfoPID is si_pid of a SIGCHLD's siginfo_t: behind si_signo, si_errno and si_code, aligned to the
// size of a pointer. Source: asm-generic/siginfo.h.
func siginfoPID(info *unix.Siginfo) int {
	const (
		word   = unsafe.Sizeof(uintptr(0))
		header = 3 * unsafe.Sizeof(int32(0))
		offset = (header + word - 1) / word * word
	)
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), offset)))
}
