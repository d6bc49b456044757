package initproc

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"golang.org/x/sys/unix"
)

// ReaperName is the base name of argv[0] under which the small program is a container's own
// init (--init): ReaperName, optionally "--", then the program and its arguments.
const ReaperName = "manager-init"

// Reap is that role: it starts the program, forwards signals to it, collects orphans, and exits
// with the program's code (128+n for signal n). args are those after argv[0].
func Reap(args []string) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, ReaperName+": no program given")
		return exitFailed
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	file, f := lookup(args[0], os.Environ())
	if f != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", ReaperName, f)
		return f.ExitCode()
	}
	attr := &os.ProcAttr{Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		// A group of its own in the foreground: a terminal's Ctrl-C then reaches it once.
		attr.Sys = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Ctty: 0}
	}
	program, err := os.StartProcess(file, args, attr)
	if err != nil {
		f := failure(launch.StageExec, file, err)
		fmt.Fprintf(os.Stderr, "%s: %v\n", ReaperName, f)
		return f.ExitCode()
	}
	return reapUntil(program.Pid, signals)
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
