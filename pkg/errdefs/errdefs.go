// Package errdefs gives errors a class, an object and a remedy.
//
// There are about a dozen classes. Each is a sentinel that errors.Is finds however
// often the error was wrapped. The layer that knows the object's name builds an
// Error; the layers above add only the fact they alone know, with fmt.Errorf and %w.
// Whoever knows the remedy sets Hint; only the command line prints it.
//
// Exit codes are decided from the class by the command line, never from the text.
package errdefs

import (
	"errors"
	"strings"
)

// The classes of failure.
var (
	// ErrNotFound says that the named object does not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists says that an object of that name exists already.
	ErrExists = errors.New("already exists")
	// ErrInvalid says that the caller's input cannot mean anything; nothing was changed.
	ErrInvalid = errors.New("invalid")
	// ErrState says that the object's present state does not allow the operation.
	ErrState = errors.New("wrong state")
	// ErrInUse says that another object needs this one.
	ErrInUse = errors.New("in use")
	// ErrUnsupported says that the option or operation is known but cannot be honoured here.
	ErrUnsupported = errors.New("unsupported")
	// ErrPermission says that the kernel or a registry refused the caller.
	ErrPermission = errors.New("permission denied")
	// ErrUnavailable says that a resource outside the program did not answer or is used up.
	ErrUnavailable = errors.New("unavailable")
	// ErrCorrupt says that stored or received bytes are not what they must be.
	ErrCorrupt = errors.New("corrupt")
	// ErrAmbiguous says that a short name or id fits more than one object.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrNotExecutable says that a program exists inside the container but cannot be executed (exit code 126).
	ErrNotExecutable = errors.New("not executable")
	// ErrNoProgram says that a program does not exist inside the container (exit code 127).
	ErrNoProgram = errors.New("program not found")
)

// Error is a failure of one operation on one object.
// The zero value of each field leaves that part out of the text.
type Error struct {
	// Op is the verb in the user's words: "start", "pull".
	Op string
	// Kind is the object's kind in the user's words: "container", "image", "volume".
	Kind string
	// Name is the object as the user named it.
	Name string
	// Class is one of the sentinels of this package; errors.Is finds it.
	Class error
	// Cause says why. When it is nil the class's own text stands in.
	Cause error
	// Hint is the next step, a sentence without a final stop.
	Hint string
}

// Error returns one line: operation, object and cause, in that order.
func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Op, e.Kind, e.Name} {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(part)
	}
	cause := e.Cause
	if cause == nil {
		cause = e.Class
	}
	if cause != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(cause.Error())
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As both the class and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Class != nil {
		errs = append(errs, e.Class)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}

// Hint returns the remedy of the outermost error in the chain that has one, or "".
func Hint(err error) string {
	var e *Error
	for err != nil && errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Cause
	}
	return ""
}
