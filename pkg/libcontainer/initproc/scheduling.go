package initproc

import (
	"unsafe"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"golang.org/x/sys/unix"
)

// scheduling sets the scheduler, the I/O priority and where memory comes from.
func (in *initializer) scheduling() *launch.Failure {
	if s := in.Process.Scheduler; s != nil {
		attr := &unix.SchedAttr{
			Size: uint32(unsafe.Sizeof(unix.SchedAttr{})), Policy: s.Policy, Flags: s.Flags, Nice: s.Nice,
			Priority: s.Priority, Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
		}
		if err := unix.SchedSetAttr(0, attr, 0); err != nil {
			return failure("scheduler", "", err)
		}
	}
	if p := in.Process.IOPriority; p != nil {
		// IOPRIO_WHO_PROCESS: the program's group is to be it, and begins with this process; the group that we are
		// in may still be the caller's.
		const whoProcess = 1
		if _, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, whoProcess, 0, uintptr(p.Value)); errno != 0 {
			return failure("io priority", "", errno)
		}
	}
	return in.memoryPolicy()
}

func (in *initializer) memoryPolicy() *launch.Failure {
	m := in.Process.MemoryPolicy
	if m == nil {
		return nil
	}
	var mask unsafe.Pointer
	bits := uintptr(0)
	if len(m.Nodes) > 0 {
		mask = unsafe.Pointer(&m.Nodes[0])
		bits = uintptr(len(m.Nodes)*64 + 1) // the kernel takes one off
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SET_MEMPOLICY, uintptr(m.Mode), uintptr(mask), bits); errno != 0 {
		return failure("memory policy", "", errno)
	}
	return nil
}

// affinity chooses the processors of the program. It runs in the program's cgroup, whose own set the
// kernel applies on top.
func (in *initializer) affinity() *launch.Failure {
	p := &in.Process
	if len(p.Affinity) > 0 {
		_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, uintptr(len(p.Affinity)*8), uintptr(unsafe.Pointer(&p.Affinity[0])))
		if errno != 0 {
			return failure("cpu affinity", "", errno)
		}
	} else if p.ResetAffinity {
		var all [16]uint64 // 1,024 processors; more are cut off by the kernel or left out
		for i := range all {
			all[i] = ^uint64(0)
		}
		// Best effort: an outer filter may hide the call.
		_, _, _ = unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(all), uintptr(unsafe.Pointer(&all)))
	}
	return nil
}
