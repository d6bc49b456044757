package launch

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Own makes a Child of a process that is this process's child already and runs its program, such as one
// that was restored from images. Signal, Wait and Close are then as for any other; there is no
// barrier to pass.
func Own(pid int) (*Child, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	var info unix.Siginfo
	// A stranger's process cannot be waited for: ECHILD.
	if err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		_ = unix.Close(fd)
		if errors.Is(err, syscall.ECHILD) {
			return nil, &Failure{Stage: "process", Errno: syscall.ECHILD}
		}
		return nil, os.NewSyscallError("waitid", err)
	}
	return &Child{pid: pid, pidfd: os.NewFile(uintptr(fd), "pidfd")}, nil
}
