package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
)

// attachOptions are what create, run and exec have in common: what the process is connected to.
type attachOptions struct {
	consoleSocket, pidfdSocket, pidFile string
	preserveFDs                         int
}

func (o *attachOptions) flags() []option {
	return []option{
		{name: "console-socket", to: &o.consoleSocket, value: "SOCKET", usage: "path of a unix socket that gets the pseudo-terminal's master"},
		{name: "pidfd-socket", to: &o.pidfdSocket, value: "SOCKET", usage: "path of a unix socket that gets a pidfd of the process"},
		{name: "pid-file", to: &o.pidFile, value: "FILE", usage: "file for the process id"},
		{name: "preserve-fds", to: &o.preserveFDs, value: "N", usage: "pass N more descriptors, behind the three of stdio and those of $LISTEN_FDS (default 0)"},
	}
}

// attachment opens what the options name. Paths become absolute before a bundle is entered.
func (o *attachOptions) attachment() (at libcontainer.Attachment, err error) {
	at.Stdio = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	at.ConsoleSocket, at.PIDFDSocket, at.PIDFile = o.consoleSocket, o.pidfdSocket, o.pidFile
	for _, p := range []*string{&at.ConsoleSocket, &at.PIDFDSocket, &at.PIDFile} {
		if *p != "" {
			if *p, err = filepath.Abs(*p); err != nil {
				return at, err
			}
		}
	}
	if o.preserveFDs < 0 {
		return at, errdefs.Invalid("--preserve-fds", strconv.Itoa(o.preserveFDs), "want a number from 0")
	}
	if at.ListenFDs, err = listenFDs(); err != nil {
		return at, err
	}
	for fd := 3; fd < 3+at.ListenFDs+o.preserveFDs; fd++ {
		// What we opened ourselves closes at execve, so what was handed to us does not.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			return at, errdefs.Invalid("--preserve-fds", strconv.Itoa(o.preserveFDs), "descriptor %d is not open", fd)
		}
		at.ExtraFiles = append(at.ExtraFiles, os.NewFile(uintptr(fd), fmt.Sprintf("fd %d", fd)))
	}
	return at, nil
}

// listenFDs is how many sockets we were given to hand on. Source: sd_listen_fds(3).
func listenFDs() (int, error) {
	s := os.Getenv("LISTEN_FDS")
	if s == "" {
		return 0, nil
	}
	if pid := os.Getenv("LISTEN_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil // meant for another process
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, errdefs.Invalid("LISTEN_FDS", s, "is not a number of descriptors")
	}
	return n, nil
}

// checkTerminal refuses what cannot be: a terminal that nobody gets, or a socket without one.
func (o *attachOptions) checkTerminal(terminal, detached bool) error {
	if terminal && detached && o.consoleSocket == "" {
		return errdefs.Invalid("process.terminal", "true", "cannot allocate tty if runtime will detach without setting console socket")
	}
	if o.consoleSocket != "" && (!terminal || !detached) {
		return errdefs.Invalid("--console-socket", o.consoleSocket, "cannot use console socket if runtime will not detach or allocate tty")
	}
	return nil
}
