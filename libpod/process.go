package libpod

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
)

// processStart returns field 22 of /proc/PID/stat: the start time in clock ticks since
// boot. With the pid it names a process for good. ok is false when there is no such process
// or it is a zombie, which runs no more, unless it is its first thread alone that is one.
// Source: proc_pid_stat(5).
func processStart(pid int) (start uint64, ok bool) {
	// By plain calls: a list asks for every container, and os.ReadFile makes twelve of four.
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer func() { _ = unix.Close(fd) }()
	var line [1024]byte
	n, err := unix.Read(fd, line[:])
	if err != nil {
		return 0, false
	}
	raw := line[:n]
	// The command's name may hold anything, also parentheses: fields begin after the last one.
	i := bytes.LastIndexByte(raw, ')')
	if i < 0 {
		return 0, false
	}
	fields := bytes.Fields(raw[i+1:])
	const state, threads, starttime = 0, 20 - 3, 22 - 3
	if len(fields) <= starttime || fields[state][0] == 'X' {
		return 0, false
	}
	if n := string(fields[threads]); fields[state][0] == 'Z' && (n == "0" || n == "1") {
		return 0, false
	}
	start, err = strconv.ParseUint(string(fields[starttime]), 10, 64)
	return start, err == nil
}

// alive reports whether the process with this pid and start time runs.
func alive(pid int, start uint64) bool {
	if pid <= 0 {
		return false
	}
	now, ok := processStart(pid)
	return ok && now == start
}

// breathes reports whether some process with this pid has not ended. It takes a sixth of the time of alive.
// Source: pidfd_open(2).
func breathes(pid int) bool {
	if pid <= 0 {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n == 0
}

// outlives reports whether a process goes on for that long.
func outlives(pid int, d time.Duration) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(d.Milliseconds()))
	return err == nil && n == 0
}

// openProcess returns a descriptor of exactly this process, or nil when it has ended.
func openProcess(pid int, start uint64) (*os.File, error) {
	if pid <= 0 {
		return nil, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	// The descriptor holds whichever process has the pid now; the start time says whether it is ours.
	if !alive(pid, start) {
		_ = f.Close()
		return nil, nil
	}
	return f, nil
}

// signalProcess sends a signal by descriptor. A process that has ended is no error.
func signalProcess(pidfd *os.File, sig unix.Signal) error {
	err := unix.PidfdSendSignal(int(pidfd.Fd()), sig, nil, 0)
	fault.Point("process: told")
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
