package initproc

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// exec finds the program, installs the filter and becomes the program. It returns on failure only.
func (in *initializer) exec() *launch.Failure {
	p := &in.Process
	if f := in.startHooks(); f != nil {
		return f
	}
	file, f := lookup(p.Args[0], p.Env)
	if f != nil {
		return f
	}
	argv := p.Args
	if p.Reaper != "" {
		// The reaper finds the program again by itself; looking here made a missing one a fact.
		file, argv = p.Reaper, in.reaperArgs()
	}
	if p.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return failure("no_new_privs", "", err)
		}
	}
	for _, fd := range p.CloseFDs {
		unix.CloseOnExec(fd)
	}
	if err := in.parent.send([]byte{launch.MsgExec}); err != nil {
		return failure("barrier", "", err)
	}
	resetSignals()
	if f := in.seccomp(); f != nil {
		return f
	}
	return execFailure(file, syscall.Exec(file, argv, p.Env))
}

// execFailure is why a file that was found was not executed.
func execFailure(file string, err error) *launch.Failure {
	f := failure(launch.StageExec, file, err)
	if f.Errno == unix.ENOENT {
		f.Detail = "no such file or directory (its interpreter may be missing)"
	}
	return f
}

// reaperArgs are the reaper's argv. "--" ends the options, of other programs of this kind (tini,
// catatonit) too, and those get no other.
func (in *initializer) reaperArgs() []string {
	argv := []string{ReaperName}
	if in.Process.ReaperReports {
		_, _ = unix.FcntlInt(uintptr(in.parent.fd), unix.F_SETFD, 0) // the parent sees its end if this fails
		argv = append(argv, launch.ReaperReport+strconv.Itoa(in.parent.fd))
	}
	return append(append(argv, "--"), in.Process.Args...)
}

// findProgram says early that the program is missing; exec looks again.
func (in *initializer) findProgram() *launch.Failure {
	_, f := lookup(in.Process.Args[0], in.Process.Env)
	return f
}

// lookup finds the program as execvp does, by the PATH of the container's environment.
func lookup(name string, env []string) (string, *launch.Failure) {
	if name == "" {
		return "", explain(launch.StageExec, "", unix.ENOENT, "empty program name")
	}
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	var refused *launch.Failure
	for _, dir := range strings.Split(plan.PathOf(env), ":") {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		f := executable(file)
		if f == nil {
			return file, nil
		}
		if (f.Errno == unix.EACCES || f.Errno == unix.EISDIR) && refused == nil {
			refused = f
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", explain(launch.StageExec, name, unix.ENOENT, "executable file not found in $PATH")
}

// executable says why a file cannot be executed, or nil.
func executable(file string) *launch.Failure {
	st, err := os.Stat(file)
	if err != nil {
		return failure(launch.StageExec, file, err)
	}
	if st.IsDir() {
		return explain(launch.StageExec, file, unix.EISDIR, "is a directory")
	}
	return failure(launch.StageExec, file, unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS))
}
