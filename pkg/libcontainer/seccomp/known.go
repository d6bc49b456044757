package seccomp

import (
	"runtime"
	"slices"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Archs are the architectures that this machine can execute and a filter here tells apart, sorted.
func Archs() []string {
	var out []string
	for name, a := range known {
		if a != nil && slices.Contains(family(runtime.GOARCH), a) {
			out = append(out, string(name))
		}
	}
	slices.Sort(out)
	return out
}

// Works says whether a profile can be compiled that uses an action, an operator and flags.
func Works(action specs.LinuxSeccompAction, op specs.LinuxSeccompOperator, flags ...specs.LinuxSeccompFlag) bool {
	_, err := Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Flags: flags, ListenerPath: "/listener", // SCMP_ACT_NOTIFY wants one, others ignore it
		Syscalls: []specs.LinuxSyscall{{Names: []string{"getpid"}, Action: action, Args: []specs.LinuxSeccompArg{{Op: op}}}},
	})
	return err == nil
}

// KernelTakes says whether the kernel knows a flag of seccomp(2): without a filter it answers EFAULT
// then, and EINVAL otherwise.
func KernelTakes(flag uint) bool {
	const setModeFilter = 1 // SECCOMP_SET_MODE_FILTER
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, setModeFilter, uintptr(flag), uintptr(unsafe.Pointer(nil)))
	return errno == unix.EFAULT
}
