package command

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/rootless"
)

// App is what every command shares: the terminal's three streams, the global options, and
// the core, opened when first asked for.
type App struct {
	// In is standard input; Out and Err are where results and everything else go.
	In  *os.File
	Out io.Writer
	Err io.Writer
	// Args is the whole command line with the program's name, kept for inspect.
	Args []string
	// Options come from the global options.
	Options libpod.Options
	// Changed holds the names of the options given to the command that runs.
	Changed map[string]bool
	// ShowVersion is the root's --version.
	ShowVersion bool
	// LogLevel is --log-level.
	LogLevel string

	runtime *libpod.Runtime
}

// Runtime opens the core once.
func (a *App) Runtime(ctx context.Context) (*libpod.Runtime, error) {
	if a.runtime != nil {
		return a.runtime, nil
	}
	if err := a.Join(); err != nil {
		return nil, err
	}
	rt, err := libpod.Open(ctx, a.Options)
	if err != nil {
		return nil, err
	}
	a.runtime = rt
	return rt, nil
}

// Join begins the program anew in an ordinary user's namespaces, where those are needed. It comes before
// anything is changed; inside, and for root, it does nothing.
func (a *App) Join() error {
	return rootless.Join(a.Args, func(text string) { a.Warn("%s", text) })
}

// Close closes the core if it was opened.
func (a *App) Close() error {
	if a.runtime == nil {
		return nil
	}
	rt := a.runtime
	a.runtime = nil
	return rt.Close()
}

// Given reports whether the option was on the command line.
func (a *App) Given(option string) bool { return a.Changed[option] }

// Println prints one line of result.
func (a *App) Println(args ...any) { fmt.Fprintln(a.Out, args...) }

// Warn prints one line that stopped nothing.
func (a *App) Warn(format string, args ...any) {
	// One write, so that warnings of parallel work stay whole lines.
	fmt.Fprint(a.Err, "Warning: "+fmt.Sprintf(format, args...)+"\n")
}

// Confirm asks on the terminal before something is destroyed, and reports a yes. Anything
// but y or yes, the end of input included, is a no.
func (a *App) Confirm(warning string) (bool, error) {
	fmt.Fprintf(a.Out, "%s\nAre you sure you want to continue? [y/N] ", warning)
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// Images opens the image service.
func (a *App) Images(ctx context.Context) (*image.Service, error) {
	rt, err := a.Runtime(ctx)
	if err != nil {
		return nil, err
	}
	return rt.Images(ctx)
}

// Note prints one line about what goes on, for people.
func (a *App) Note(text string) { fmt.Fprintln(a.Err, text) }
