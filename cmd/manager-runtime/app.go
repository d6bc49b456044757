package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// name is this program's.
const name = "manager-runtime"

// app is one run of the program: the global options and the streams.
type app struct {
	root                 string
	log                  logOptions
	debug, systemdCgroup bool
	cgroupManager        string
	rootless             string
	version              bool

	out     io.Writer
	logger  *logger
	rootSet bool // --root was given
}

func newApp() *app { return &app{out: os.Stdout, logger: &logger{out: os.Stderr, level: levelWarning}} }

func (a *app) flags() []option {
	return []option{
		{name: "root", to: &a.root, value: "DIR", usage: "where the state of containers is kept; best on a tmpfs (default " + defaultRoot() + ")"},
		{name: "log", to: &a.log.path, value: "FILE", usage: "write the log to a file, or to journald:ID or syslog:ID (default standard error)"},
		{name: "log-format", to: &a.log.format, value: "FORMAT", usage: "text, or json: one object a line (default text)"},
		{name: "log-level", to: &a.log.level, value: "LEVEL", usage: "error, warning, info or debug (default warning; error with --log)"},
		{name: "debug", to: &a.debug, usage: "the same as --log-level debug"},
		{name: "systemd-cgroup", to: &a.systemdCgroup, usage: "let systemd make the cgroups; cgroupsPath is then SLICE:PREFIX:NAME"},
		{name: "cgroup-manager", to: &a.cgroupManager, value: "MANAGER", usage: "cgroupfs, systemd, or disabled for no cgroups (default cgroupfs)"},
		{name: "rootless", to: &a.rootless, value: "BOOL", usage: "ignore that cgroups cannot be made: true, false or auto (default auto)"},
		{name: "version", short: "v", to: &a.version, usage: "print the version"},
	}
}

// main is the program; it returns the exit code.
func (a *app) main(args []string) int {
	code, err := a.dispatch(args)
	if err == nil {
		return code
	}
	a.report(err)
	var f *launch.Failure
	if code != 1 && errors.As(err, &f) && f.Stage == launch.StageExec {
		return f.ExitCode()
	}
	if code == 0 || code == exitOfProgram {
		return 1
	}
	return code
}

// report writes the one error line: to the log, and to standard error if that is elsewhere.
func (a *app) report(err error) {
	text := describe(err)
	a.logger.write(levelError, text)
	if a.logger.elsewhere {
		fmt.Fprintln(os.Stderr, text)
	}
}

// describe makes one line of an error, its next step at the end.
func describe(err error) string {
	text := err.Error()
	var f *launch.Failure
	if errors.As(err, &f) && f.Stage == launch.StageExec && f.Path != "" && f.Detail != "" && !strings.Contains(f.Path, "/") {
		text = strings.Replace(text, f.Error(), fmt.Sprintf("exec: %q: %s", f.Path, f.Detail), 1) // as Go's os/exec says it
	}
	if f != nil && f.Stage == launch.StageExec && f.Errno == syscall.EISDIR {
		text += ": permission denied" // execve's own word, which Docker takes for 126; it knows no folders before version 23
	}
	if h := errdefs.Hint(err); h != "" {
		text += " (" + h + ")"
	}
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// setUp checks the global options, before a command runs.
func (a *app) setUp() (err error) {
	if a.debug {
		a.log.level = "debug"
	}
	if a.logger, err = a.log.open(); err != nil {
		a.logger = &logger{out: os.Stderr, level: levelWarning}
		return err
	}
	a.rootSet = a.root != ""
	if !a.rootSet {
		a.root = defaultRoot()
	}
	if a.root, err = filepath.Abs(a.root); err != nil {
		return err
	}
	if a.root == "/" {
		return errdefs.Invalid("--root", a.root, "the root directory cannot hold states")
	}
	switch a.rootless {
	case "", "auto", "true", "false":
	default:
		return errdefs.Invalid("--rootless", a.rootless, "want true, false or auto")
	}
	switch a.cgroupManager {
	case "", "cgroupfs", "disabled":
	case "systemd":
		a.systemdCgroup = true
	default:
		return errdefs.Invalid("--cgroup-manager", a.cgroupManager, "want cgroupfs, systemd or disabled")
	}
	if a.systemdCgroup && a.cgroupManager == "disabled" {
		return errdefs.Invalid("--systemd-cgroup", "true", "conflicts with --cgroup-manager disabled")
	}
	return nil
}

// isRootless is the answer of --rootless.
func (a *app) isRootless() bool {
	if a.rootless == "true" || a.rootless == "false" {
		return a.rootless == "true"
	}
	return os.Geteuid() != 0 || inUserNamespace()
}

// inUserNamespace says whether root here is not the machine's root. Source: user_namespaces(7), uid_map.
var inUserNamespace = sync.OnceValue(func() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(b))
	return err == nil && (len(f) != 3 || f[0] != "0" || f[1] != "0" || f[2] != "4294967295")
})

// defaultRoot is below the user's run directory for all but root.
func defaultRoot() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && os.Geteuid() != 0 {
		return filepath.Join(dir, name)
	}
	return "/run/" + name
}

// factory is the state directory, for commands that start nothing.
func (a *app) factory() *libcontainer.Factory {
	f := &libcontainer.Factory{Root: a.root}
	if a.logger.level >= levelDebug {
		f.Trace = func(verb, step string, took time.Duration) {
			a.logger.write(levelDebug, fmt.Sprintf("%s: %s: %s", verb, step, took.Round(time.Microsecond)))
		}
	}
	return f
}

// starter is the state directory with the small program opened; the caller calls done.
func (a *app) starter() (f *libcontainer.Factory, done func(), err error) {
	program, err := monitorProgram()
	if err != nil {
		return nil, nil, err
	}
	f = a.factory()
	f.Program = program
	return f, func() { _ = program.Close() }, nil
}

// leaveStderr keeps warnings off a standard error that is about to be the container's: what is written
// to it would stand in the container's log. A log file still gets what its level asks for, and
// --log-level or --debug bring the warnings back.
func (a *app) leaveStderr() {
	if !a.logger.elsewhere && a.logger.raw == nil && a.log.level == "" {
		a.logger.level = levelError
	}
}

// warn logs what was ignored, and may be by the specification.
func (a *app) warn(warnings []string) {
	for _, w := range warnings {
		a.logger.write(levelWarning, w)
	}
}
