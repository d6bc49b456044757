package monitor

import (
	"time"

	"golang.org/x/sys/unix"
)

// stopGrace is how long after a command's last signal an end still counts as its doing: as long as a
// command waits for a process that SIGKILL was sent to, and some more.
const stopGrace = 20 * time.Second

// DecideCause says why a container ended, out of the rest of the record; wanted is the cause of an end that the
// monitor itself brought about, or "".
//
// What the kernel tells a parent is a status and no sender: neither waitid(2) nor the SIGCHLD names who
// sent a signal. So a signal is known to be ours by the note that is written before it is sent, the kernel's
// by the cgroup's counter and when it went up, and otherwise it is a stranger's.
func (e *ExitRecord) DecideCause(wanted string) string {
	killed := e.Signal == int(unix.SIGKILL)
	switch {
	case wanted != "":
		return wanted
	case killed && e.Memory != nil && e.Memory.AtEnd && !e.killDue():
		return CauseOOM
	case e.stopped():
		return e.Stop.By
	case e.Signal != 0:
		return CauseSignal
	}
	return CauseExit
}

// killDue reports whether a command had sent SIGKILL, or was about to.
func (e *ExitRecord) killDue() bool {
	return e.Stop != nil && (e.Stop.Signal == int(unix.SIGKILL) || !e.FinishedAt.Before(e.Stop.At.Add(e.Stop.Timeout)))
}

// stopped reports whether the end is what the command of the note wanted: it came soon, and by a signal that
// the command sends, or by the program's own exit.
func (e *ExitRecord) stopped() bool {
	s := e.Stop
	if s == nil || e.FinishedAt.After(s.At.Add(s.Timeout+stopGrace)) {
		return false
	}
	return e.Signal == 0 || e.Signal == s.Signal || e.Signal == int(unix.SIGKILL) && s.By != StopByKill
}

// Escalated reports whether a command had to send SIGKILL after its signal.
func (e *ExitRecord) Escalated() bool {
	return e.Stop != nil && e.Cause == e.Stop.By && e.Signal == int(unix.SIGKILL) && e.Stop.Signal != e.Signal
}
