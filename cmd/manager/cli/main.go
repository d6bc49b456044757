// Package cli is the command line of manager: it turns words into calls of the core, and
// results into text and exit codes. It decides nothing else.
//
// The tree of commands is data (packages container, image, volume, system) given to
// cobra; options are data too (package flags) and are bound only for the command that
// runs, because the time to start is part of every command's time.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// Main runs one command line, args[0] being the program, and returns the exit code.
func Main(args []string, in *os.File, out, errOut io.Writer) int {
	app := &command.App{In: in, Out: out, Err: errOut, Args: slices.Clone(args), LogLevel: "warn"} // cobra writes into the words it completes
	ctx, signals := interruptible(args, errOut)
	defer signals.stop()
	t := newTree(app)
	words := helpToFlag(args[1:])
	t.root.SetArgs(words)
	cc := t.bindFor(words)
	err := execute(ctx, t.root, app)
	if errors.Is(err, image.ErrElsewhere) {
		err = handOver(app)
	}
	name := ""
	if cc != nil {
		name = path(cc)
	}
	err = signals.explain(err, name)
	return signals.code(finish(errOut, err, t.codes, name, wantsJSON(cc, words)))
}

// execute runs the command, and closes what it opened. The storage library panics where it cannot open a file that it locks: what the
// system refuses is an error nevertheless, and the process ends without asking the library for more.
func execute(ctx context.Context, root *cobra.Command, app *command.App) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if err = refusal(p); err == nil {
				panic(p)
			}
		}
	}()
	err = root.ExecuteContext(ctx)
	if closeErr := app.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	return err
}

// refusal is the error of a panic that says what the system refused, and nil for any other.
func refusal(p any) error {
	err, _ := p.(error)
	var errno syscall.Errno
	if err == nil || !errors.As(err, &errno) {
		return nil
	}
	hint := "\"manager doctor\" finds what is wrong with this machine"
	if errno == syscall.EMFILE || errno == syscall.ENFILE {
		hint = "allow more open files: \"ulimit -n 1024\""
	}
	return &errdefs.Error{Class: errdefs.ErrUnavailable, Cause: err, Hint: hint}
}

// helpToFlag turns "help run" into "run --help".
func helpToFlag(words []string) []string {
	if len(words) == 0 || words[0] != "help" {
		return words
	}
	return append(slices.Clone(words[1:]), "--help")
}

// wantsJSON says whether errors are JSON: with --format json on the command line.
func wantsJSON(cc *cobra.Command, words []string) bool {
	if cc == nil {
		return false
	}
	if f := cc.Flags().Lookup("format"); f != nil && f.Changed {
		return f.Value.String() == "json"
	}
	for i, w := range words { // the parser stopped before it came to --format
		if w == "--" {
			return false
		}
		if cc.Flags().Lookup("format") != nil && (w == "--format=json" || w == "--format" && i+1 < len(words) && strings.TrimSpace(words[i+1]) == "json") {
			return true
		}
	}
	return false
}
