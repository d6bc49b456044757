package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identity names a process for ever: pids are used again, but not at the same start time within a boot.
type identity struct {
	// PID is in the caller's pid namespace; 0 means that there is no process.
	PID int `json:"pid"`
	// StartTime is field 22 of /proc/PID/stat, in clock ticks since boot.
	StartTime uint64 `json:"start_time"`
}

// open returns the process's descriptor, or ESRCH when that process has ended: also if its pid is
// another's now, or if nobody has collected it yet. The caller closes it.
func (i identity) open() (*os.File, error) {
	if i.PID <= 0 {
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(i.PID, 0)
	if err != nil {
		return nil, err
	}
	// The descriptor pins whoever has the pid now; whether that is the one is seen only afterwards.
	start, ended, err := processStat(i.PID)
	if err != nil || start != i.StartTime || ended {
		_ = unix.Close(fd)
		return nil, unix.ESRCH
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// alive says whether the process exists and is no zombie.
func (i identity) alive() bool {
	if i.PID <= 0 {
		return false
	}
	start, ended, err := processStat(i.PID)
	return err == nil && start == i.StartTime && !ended
}

// signal sends a signal to the process and never to another. ESRCH after its end.
func (i identity) signal(sig unix.Signal) error {
	fd, err := i.open()
	if err != nil {
		return err
	}
	defer func() { _ = fd.Close() }()
	return unix.PidfdSendSignal(int(fd.Fd()), sig, nil, 0)
}

// processStat reads the start time, and whether the process has ended and only waits for its parent. Source: proc_pid_stat(5).
func processStat(pid int) (start uint64, ended bool, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false, err
	}
	return parseStat(string(b))
}

var errStat = errors.New("unreadable process status")

// parseStat starts behind the last bracket: the name before it may have brackets and blanks itself.
func parseStat(s string) (start uint64, ended bool, err error) {
	end := strings.LastIndexByte(s, ')')
	if end < 0 {
		return 0, false, errStat
	}
	f := strings.Fields(s[end+1:])
	const stateField, threadsField, startField = 0, 17, 19 // the 3rd, 20th and 22nd of all, counted from the third
	if len(f) <= startField {
		return 0, false, errStat
	}
	start, err = strconv.ParseUint(f[startField], 10, 64)
	if err != nil {
		return 0, false, errStat
	}
	switch f[stateField] {
	case "X":
		ended = true
	case "Z": // or it is only the first thread, and others go on
		ended = f[threadsField] == "0" || f[threadsField] == "1"
	}
	return start, ended, nil
}
