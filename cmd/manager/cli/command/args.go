package command

import (
	"fmt"

	"github.com/manager-project/manager/pkg/errdefs"
)

// ArgRule checks positional arguments. Its error says in one line what is missing.
type ArgRule func(args []string) error

func usageError(format string, args ...any) error {
	return &errdefs.Error{Class: errdefs.ErrInvalid, Cause: fmt.Errorf(format, args...)}
}

// NoArgs accepts none.
func NoArgs(args []string) error {
	if len(args) > 0 {
		return usageError("takes no arguments, got %q", args[0])
	}
	return nil
}

// AtLeast accepts n or more; what names them: "a container name".
func AtLeast(n int, what string) ArgRule {
	return func(args []string) error {
		if len(args) < n {
			return usageError("needs %s", what)
		}
		return nil
	}
}

// Exactly accepts n arguments.
func Exactly(n int, what string) ArgRule { return Between(n, n, what) }

// Between accepts from low to high arguments.
func Between(low, high int, what string) ArgRule {
	return func(args []string) error {
		switch {
		case len(args) < low:
			return usageError("needs %s", what)
		case len(args) > high:
			return usageError("too many arguments from %q on; needs %s", args[high], what)
		}
		return nil
	}
}
