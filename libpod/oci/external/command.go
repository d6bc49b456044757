package external

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/monitor"
)

// stateRoot is the folder of the runtime's own state of one container.
func stateRoot(bundle string) string { return filepath.Join(bundle, "runtime") }

// logFile is where the runtime writes its errors.
func logFile(bundle string) string { return filepath.Join(bundle, "runtime.log") }

// base is the beginning of every command.
func (r *Runtime) base(bundle string, noCgroups bool) []string {
	argv := append([]string{r.o.Path}, r.o.Flags...)
	if noCgroups {
		argv = append(argv, "--cgroup-manager=disabled")
	}
	return append(argv, "--root", stateRoot(bundle), "--log", logFile(bundle), "--log-format", "json")
}

// create are the commands of a container's start.
func (r *Runtime) create(q *oci.LaunchRequest) *monitor.External {
	base := r.base(q.Bundle, q.Cgroup == "")
	e := &monitor.External{
		Runtime: r.o.Name, Program: first(q.Spec.Process.Args), Env: environment(),
		PIDFile: filepath.Join(q.Bundle, "runtime.pid"), Log: logFile(q.Bundle),
		Start: append(base[:len(base):len(base)], "start", q.ID), Reports: q.InitReports,
	}
	argv := append(base[:len(base):len(base)], "create", "--bundle", q.Bundle, "--pid-file", e.PIDFile)
	if q.Monitor.Terminal {
		argv = append(argv, "--console-socket", monitor.ConsoleWord)
	}
	files := len(q.ExtraFiles)
	if q.InitReports {
		files++
	}
	e.Create = append(append(argv, preserve(files)...), q.ID)
	return e
}

// exec is the command of an exec session, whose files are in dir. console is the socket's path, or "".
func (r *Runtime) exec(q *oci.ExecRequest, dir, console string) []string {
	argv := r.base(q.Bundle, q.Cgroup == "")
	for i, word := range argv {
		if word == "--log" {
			argv[i+1] = filepath.Join(dir, "runtime.log") // sessions run at the same time
		}
	}
	argv = append(argv, "exec", "--detach", "--process", filepath.Join(dir, "process.json"), "--pid-file", filepath.Join(dir, "runtime.pid"))
	if console != "" {
		argv = append(argv, "--console-socket", console)
	}
	return append(append(argv, preserve(len(q.ExtraFiles))...), q.ID)
}

// preserve passes n descriptors from 3 on.
func preserve(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{"--preserve-fds", strconv.Itoa(n)}
}

// environment is what the runtime gets of ours: where programs are, and what it finds systemd and
// a user's run directory by. The container gets none of it.
func environment() []string {
	env := []string{}
	for _, key := range []string{"PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "TMPDIR"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}
