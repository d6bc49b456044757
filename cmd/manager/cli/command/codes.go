package command

import (
	"errors"
	"fmt"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

// Codes maps classes of errors to exit codes.
type Codes map[error]int

// ExitCode is how a command ends with a code of its own and nothing to print: the
// program's in run, 1 in exists.
type ExitCode int

// Error exists for the error interface; it is never printed.
func (c ExitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// Code decides the exit code of a command's error. Of several joined errors the highest
// code wins. Nil is 0; 126 and 127 are facts of the contained program; overrides are the
// command's own; everything else is 125.
func Code(err error, overrides Codes) int {
	if err == nil {
		return 0
	}
	if many := Split(err); len(many) > 1 {
		worst := 0
		for _, e := range many {
			worst = max(worst, Code(e, overrides))
		}
		return worst
	}
	var exit ExitCode
	if errors.As(err, &exit) {
		return int(exit)
	}
	for class, code := range overrides {
		if errors.Is(err, class) {
			return code
		}
	}
	switch {
	case errors.Is(err, errdefs.ErrNotExecutable):
		return define.ExitNotExecutable
	case errors.Is(err, errdefs.ErrNoProgram):
		return define.ExitNotFound
	}
	return define.ExitManager
}

// Split returns the single errors of a joined one, in order; a plain error alone. An
// errdefs.Error, which unwraps to its class and its cause, is one error.
func Split(err error) []error {
	var single *errdefs.Error
	if e, ok := any(err).(*errdefs.Error); ok { // only the outermost error counts
		single = e
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if single != nil || !ok {
		return []error{err}
	}
	if fmt.Sprintf("%T", err) != "*errors.joinError" {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, Split(e)...)
	}
	return all
}
