package main

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/catch"
	"github.com/manager-project/manager/pkg/libcontainer"
)

// catchSignals begins to collect what will be passed on: before there is anything to pass it to, so that none is lost.
func catchSignals() (*catch.Signals, error) { return catch.All(unix.SIGPIPE) }

// becomeSubreaper adopts orphans of containers without a pid namespace of their own, so that they do
// not end up with process 1 of the host. Source: PR_SET_CHILD_SUBREAPER(2const).
func becomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// follow stays with a process until its end: it passes signals on, serves its terminal and collects
// orphans. It returns the exit code, 128+n for signal n.
func follow(p *libcontainer.Process, signals *catch.Signals) (int, error) {
	done := func() {}
	if console := p.Console(); console != nil {
		done = pump(console)
	}
	ended, err := newWatch(int(p.PIDFD().Fd()), signals.FD())
	if err != nil {
		return 0, err
	}
	defer ended.close()
	for {
		first, err := ended.wait()
		if err != nil {
			return 0, err
		}
		for s := signals.Next(); s != 0; s = signals.Next() {
			passOn(s, p)
		}
		if first {
			break
		}
	}
	st, err := p.Wait()
	done()
	return st.Code, err
}

func passOn(s syscall.Signal, p *libcontainer.Process) {
	switch s {
	case unix.SIGCHLD:
		reapOrphans(p.PID())
	case unix.SIGTTIN, unix.SIGTTOU: // ours
	case unix.SIGWINCH:
		if console := p.Console(); console != nil {
			resize(console)
			return
		}
		_ = p.Signal(s)
	default:
		_ = p.Signal(s)
	}
}

// reapOrphans collects adopted children that have ended, and leaves the process to its Wait.
func reapOrphans(process int) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		pid := siginfoPID(&info)
		if err != nil || pid == 0 || pid == process {
			return
		}
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil {
			return
		}
	}
}
