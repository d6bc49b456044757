package rootless

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Join lets this process become the program anew, inside the user's namespaces: the same command line, the
// same streams, the same process. It returns nil at once where there is nothing to join, and otherwise only
// with an error. Nothing may have been changed before. argv is the whole command line; note hears, once per
// user and boot, what does not work.
func Join(argv []string, note func(string)) error {
	if !current().outside {
		return nil
	}
	dir, err := RuntimeDir()
	if err != nil {
		return &errdefs.Error{
			Op: "find", Name: "runtime directory", Class: errdefs.ErrPermission, Cause: err,
			Hint: "set XDG_RUNTIME_DIR to a directory of your own with mode 0700",
		}
	}
	h, err := findHolder(dir, note)
	if err != nil {
		return err
	}
	defer func() { _ = h.pidfd.Close() }()
	program, err := os.OpenFile("/proc/self/exe", unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }()
	cwd, err := os.Getwd()
	if err != nil {
		return &errdefs.Error{Op: "find", Name: "working directory", Class: errdefs.ErrUnavailable, Cause: err, Hint: "go to a directory that exists"}
	}
	if err := unix.Access(cwd, unix.X_OK); err != nil {
		// After su, say: whoever cannot enter it has no files in it to name.
		note(fmt.Sprintf("working directory %s: %v; going on in /", cwd, err))
		cwd = "/"
	}
	o := order{
		pidfd: int(h.pidfd.Fd()), namespaces: unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		program: int(program.Fd()), directory: cwd,
	}
	enter, err := o.file(dir)
	if err != nil {
		return err
	}
	defer func() { _ = enter.Close() }()
	if err := inheritable(h.pidfd, program); err != nil {
		return err
	}
	env := append(without(os.Environ(), variableInside, variableUID, variableGID, "XDG_RUNTIME_DIR"),
		variableInside+"=done", fmt.Sprintf("%s=%d", variableUID, os.Geteuid()), fmt.Sprintf("%s=%d", variableGID, os.Getegid()),
		"XDG_RUNTIME_DIR="+dir)
	return &errdefs.Error{
		Op: "join", Name: "user namespace", Class: errdefs.ErrUnavailable, Cause: errors.Join(become(enter, argv, env)),
		Hint: "allow programs in memory (sysctl vm.memfd_noexec=0), or set XDG_RUNTIME_DIR to a directory on a file system that is not mounted noexec",
	}
}

// Holder is the process that keeps the user's namespaces, by pid and start time, clock ticks since boot.
func Holder() (pid int, start uint64, err error) {
	dir, err := RuntimeDir()
	if err != nil {
		return 0, 0, err
	}
	r, err := readRecord(dir)
	if err != nil {
		return 0, 0, err
	}
	start, err = strconv.ParseUint(r.StartTime, 10, 64)
	return r.PID, start, err
}

// releasePatience is how long a killed holder may take to end.
const releasePatience = 10 * time.Second

// Release ends the holder, and waits for that. What is in the namespaces goes on; the next command makes new ones.
func Release() error {
	dir, err := RuntimeDir()
	if err != nil {
		return err
	}
	h, err := openHolder(dir)
	if err != nil {
		return nil // there is none
	}
	defer func() { _ = h.pidfd.Close() }()
	if err := unix.PidfdSendSignal(int(h.pidfd.Fd()), unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end the holder of the user's namespaces: %w", err)
	}
	for deadline := time.Now().Add(releasePatience); !h.ended() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	return os.Remove(recordFile(dir))
}
