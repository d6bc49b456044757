package errdefs

import "fmt"

// New builds an error of a class about an object, with a formatted cause.
func New(class error, kind, name, format string, args ...any) *Error {
	return &Error{Kind: kind, Name: name, Class: class, Cause: fmt.Errorf(format, args...)}
}

// NotFound says that no object of that kind has that name or id.
func NotFound(kind, name string) *Error {
	return &Error{Kind: kind, Name: name, Class: ErrNotFound, Cause: fmt.Errorf("no such %s", kind)}
}

// Invalid says that an option's value cannot be used: option is "--memory", value what the user wrote.
func Invalid(option, value, format string, args ...any) *Error {
	return &Error{Op: option, Name: fmt.Sprintf("%q", value), Class: ErrInvalid, Cause: fmt.Errorf(format, args...)}
}

// Unsupported says that a known option cannot be honoured, and why.
func Unsupported(option, format string, args ...any) *Error {
	return &Error{Op: option, Class: ErrUnsupported, Cause: fmt.Errorf(format, args...)}
}

// WithHint returns e with its remedy set.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithOp returns e with its operation set.
func (e *Error) WithOp(op string) *Error {
	e.Op = op
	return e
}
