package initproc

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"golang.org/x/sys/unix"
)

// ReaperName is the base name of argv[0] under which the small program is a container's own
// init (--init): ReaperName, optionally launch.ReaperReport, optionally "--", then the program and its arguments.
const ReaperName = "manager-init"

// Reap is that role: it starts the program, forwards signals to it, collects orphans, and exits
// with the program's code (128+n for signal n). args are those after argv[0].
//
// Until it hears signals the kernel drops those that process 1 does not handle, and Go's runtime ends
// by others: whoever waits for its report sends none before.
func Reap(args []string) int {
	report, args := reportOf(args)
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	pid, f := startBelow(args)
	if f != nil {
		if report.fd < 0 {
			fmt.Fprintf(os.Stderr, "%s: %v\n", ReaperName, f)
		} else {
			report.fail(f)
		}
		return f.ExitCode()
	}
	if report.fd >= 0 {
		_ = unix.Close(report.fd)
	}
	return reapUntil(pid, signals)
}

// reportOf takes the option with the descriptor for reports from the arguments. Its fd is -1 without one.
// It is not for the program.
func reportOf(args []string) (*parent, []string) {
	if len(args) > 0 {
		if text, ok := strings.CutPrefix(args[0], launch.ReaperReport); ok {
			if fd, err := strconv.Atoi(text); err == nil && fd > 2 {
				unix.CloseOnExec(fd)
				return &parent{fd: fd}, args[1:]
			}
		}
	}
	return &parent{fd: -1}, args
}

// startBelow starts the program.
func startBelow(args []string) (pid int, f *launch.Failure) {
	if len(args) == 0 {
		return 0, explain(launch.StageExec, "", unix.EINVAL, "no program given")
	}
	file, f := lookup(args[0], os.Environ())
	if f != nil {
		return 0, f
	}
	attr := &os.ProcAttr{Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		// A group of its own in the foreground: a terminal's Ctrl-C then reaches it once.
		attr.Sys = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: 0}
	}
	program, err := os.StartProcess(file, args, attr)
	if err != nil {
		return 0, execFailure(file, err)
	}
	return program.Pid, nil
}

func reapUntil(pid int, signals chan os.Signal) int {
	for {
		if code, done := collect(pid); done {
			return code
		}
		s := (<-signals).(syscall.Signal)
		switch s {
		case unix.SIGCHLD, unix.SIGURG: // SIGURG: the Go runtime's own
		case unix.SIGTTIN, unix.SIGTTOU:
		default:
			_ = unix.Kill(pid, s)
		}
	}
}

// collect waits for every child that has ended and says whether the program is among them.
func collect(pid int) (code int, done bool) {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil || got <= 0:
			return code, done
		case got == pid && ws.Signaled():
			code, done = 128+int(ws.Signal()), true
		case got == pid:
			code, done = ws.ExitStatus(), true
		}
	}
}
