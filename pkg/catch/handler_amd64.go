package catch

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// entries are the addresses of the signal handler and of what ends it.
func entries() (handle, restore uintptr)

// pipe is where the handler writes to.
//
//lint:ignore U1000 the assembly reads it
var pipe int32

// action is the kernel's struct sigaction. Source: arch/x86/include/uapi/asm/signal.h.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	onStack  = 0x08000000 // SA_ONSTACK: a goroutine's stack is too small
	restart  = 0x10000000 // SA_RESTART
	restorer = 0x04000000 // SA_RESTORER
)

// install has the numbers of signals written to a pipe, and returns what gives them back to who had them.
func install(w int, signals []syscall.Signal) (put func() error, err error) {
	pipe = int32(w)
	handle, restore := entries()
	own := action{handler: handle, flags: onStack | restart | restorer, restorer: restore, mask: ^uint64(0)}
	before := make([]action, len(signals))
	set := func(s syscall.Signal, to, old *action) error {
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(own.mask), 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	}
	put = func() error {
		var first error
		for i, s := range signals {
			if err := set(s, &before[i], nil); err != nil && first == nil {
				first = err
			}
		}
		return first
	}
	for i, s := range signals {
		if err := set(s, &own, &before[i]); err != nil {
			signals = signals[:i]
			_ = put()
			return nil, err
		}
	}
	return put, nil
}
