package launch

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confine moves this thread to the processors of the request and returns what undoes that. The thread
// must be locked. The child is cloned on them, and so is there while it enters its cgroup.
func (s *starting) confine() (func(), error) {
	mask := s.req.Affinity
	if len(mask) == 0 {
		return func() {}, nil
	}
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, &Failure{Stage: "cpu affinity", Detail: err.Error()}
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, uintptr(len(mask)*8), uintptr(unsafe.Pointer(&mask[0])))
	runtime.KeepAlive(mask)
	if errno != 0 {
		return nil, &Failure{Stage: "cpu affinity", Errno: errno}
	}
	return func() { _ = unix.SchedSetaffinity(0, &before) }, nil
}
