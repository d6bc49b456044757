package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/pkg/errdefs"
)

// finish prints what err says and returns the program's exit code. This is the only place
// that knows both; see docs/exit-codes.md. words are the command's: "container ps".
func finish(w io.Writer, err error, codes command.Codes, words string, asJSON bool) int {
	if err == nil {
		return 0
	}
	for _, e := range command.Split(err) {
		var exit command.ExitCode
		if e == nil || errors.As(e, &exit) {
			continue
		}
		if asJSON {
			printJSON(w, e, hintOf(e, words))
		} else {
			printLine(w, e, hintOf(e, words))
		}
	}
	return command.Code(err, codes)
}

// printLine writes one line: object, cause, and after a semicolon the next step.
func printLine(w io.Writer, err error, hint string) {
	line := "Error: " + oneLine(err.Error())
	if hint != "" {
		line += "; " + oneLine(hint)
	}
	fmt.Fprintln(w, line)
}

// hintOf is the error's next step. Wrong words for which nobody has named one are explained
// by the command's help.
func hintOf(err error, words string) string {
	hint := errdefs.Hint(err)
	if hint == "" && (errors.Is(err, errdefs.ErrInvalid) || errors.Is(err, errdefs.ErrUnsupported)) {
		hint = fmt.Sprintf("see '%s --help'", strings.TrimSpace("manager "+words))
	}
	return hint
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}

// jsonError is an error for programs.
type jsonError struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	Class string `json:"class"`
}

func printJSON(w io.Writer, err error, hint string) {
	data, _ := json.Marshal(jsonError{oneLine(err.Error()), hint, className(err)})
	fmt.Fprintln(w, string(data))
}

// className is the class's text, "internal" for an error without one.
func className(err error) string {
	for _, class := range []error{
		errdefs.ErrNotFound, errdefs.ErrExists, errdefs.ErrInvalid, errdefs.ErrState, errdefs.ErrInUse,
		errdefs.ErrUnsupported, errdefs.ErrPermission, errdefs.ErrUnavailable, errdefs.ErrCorrupt,
		errdefs.ErrAmbiguous, errdefs.ErrNotExecutable, errdefs.ErrNoProgram,
	} {
		if errors.Is(err, class) {
			return class.Error()
		}
	}
	return "internal"
}
