// Package hook runs the hooks of an OCI configuration: a program with the container's state on
// its standard input, a time limit, and its complaint in the error.
//
// It serves the monitor and the container's init alike, so it imports next to nothing.
//
//	kind             run by                           when
//	prestart         the parent (package launch)      namespaces and mounts are there, before the pivot
//	createRuntime    the parent, after prestart       the same
//	createContainer  init, in its namespaces          after those, before the pivot
//	startContainer   init, in its root                the last before the program
//	poststart        the caller                       the program runs
//	poststop         the caller                       the container is gone
//
// Source: OCI runtime-spec, runtime.md, "Lifecycle", and config.md, "POSIX-platform Hooks".
package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// Error is a hook that failed. Kind and Index say which it was.
type Error struct {
	// Kind is the hook's name in the configuration: "createRuntime".
	Kind string
	// Index counts from 0 within the kind.
	Index int
	// Path is the program.
	Path string
	// Cause says what happened.
	Cause error
	// Output is the end of what it wrote to its standard output and error, in one line.
	Output string
}

// Error is one line.
func (e *Error) Error() string {
	text := "hooks." + e.Kind + "[" + strconv.Itoa(e.Index) + "] " + e.Path + ": " + e.Cause.Error()
	if e.Output != "" {
		text += ": " + e.Output
	}
	return text
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// RunAll runs the hooks of one kind in their order, and stops at the first that fails with an *Error.
func RunAll(ctx context.Context, kind string, hooks []plan.Hook, state plan.State) error {
	for i := range hooks {
		if err := run(ctx, &hooks[i], state); err != nil {
			return named(err, kind, i, hooks[i].Path)
		}
	}
	return nil
}

// RunEach runs all hooks of one kind whatever becomes of each, and returns the *Errors: poststop's way.
func RunEach(ctx context.Context, kind string, hooks []plan.Hook, state plan.State) []error {
	var failed []error
	for i := range hooks {
		if err := run(ctx, &hooks[i], state); err != nil {
			failed = append(failed, named(err, kind, i, hooks[i].Path))
		}
	}
	return failed
}

func named(err error, kind string, index int, path string) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Cause: err}
	}
	e.Kind, e.Index, e.Path = kind, index, path
	return e
}

var errTimeout = errors.New("timed out")

func run(ctx context.Context, h *plan.Hook, state plan.State) error {
	input, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if h.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, h.Timeout, fmt.Errorf("%w after %s", errTimeout, h.Timeout))
		defer cancel()
	}
	return runWith(ctx, h, input)
}

func runWith(ctx context.Context, h *plan.Hook, input []byte) error {
	in, err := feed(input)
	if err != nil {
		return err
	}
	defer in.close()
	out, err := collect()
	if err != nil {
		return err
	}
	defer out.close()
	argv := h.Args
	if len(argv) == 0 {
		argv = []string{h.Path}
	}
	env := h.Env
	if env == nil {
		env = []string{} // nil would be ours
	}
	p, err := os.StartProcess(h.Path, argv, &os.ProcAttr{
		Dir: h.Dir, Env: env, Files: []*os.File{in.theirs, out.theirs, out.theirs},
		// A group of its own, so that a time limit ends what it started as well.
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return err
	}
	in.start()
	out.start()
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) })
	st, err := p.Wait()
	stopped := !stop()
	text := out.finish()
	switch {
	case stopped && !(err == nil && st.Success()):
		err = context.Cause(ctx)
	case err == nil && !st.Success():
		err = errors.New(st.String())
	}
	if err != nil {
		return &Error{Cause: err, Output: oneLine(text)}
	}
	return nil
}

// oneLine makes the output fit into an error.
func oneLine(b []byte) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(b), "?")), " ")
}
