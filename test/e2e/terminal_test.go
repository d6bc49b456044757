package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/manager-project/manager/internal/testenv"
)

// cmdTerminal runs the program on a pseudo-terminal, as its controlling terminal, and plays
// the steps of a file: "expect REGEXP" waits for new output, "send TEXT" types a Go string
// without its quotes, "resize ROWSxCOLUMNS" changes the window. The screen's bytes become stdout.
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 4, "terminal CODE ROWSxCOLUMNS STEPS ARG...")
	t, err := testenv.StartTerminal(of(ts).Command(context.Background(), args[3:]...), args[1])
	ts.Check(err)
	ts.Defer(t.Close)
	for n, line := range strings.Split(strings.TrimSpace(ts.ReadFile(args[2])), "\n") {
		if err := playStep(t, line); err != nil {
			fmt.Fprint(ts.Stdout(), t.Text())
			ts.Fatalf("%s:%d: %v", args[2], n+1, err)
		}
	}
	code, err := t.Wait()
	fmt.Fprint(ts.Stdout(), t.Text())
	ts.Check(err)
	if want := number(ts, args[0]); code != want {
		ts.Fatalf("manager %s: exit code %d, want %d", strings.Join(args[3:], " "), code, want)
	}
}

// playStep plays one line.
func playStep(t *testenv.Terminal, line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "expect":
		return t.Expect(arg)
	case "resize":
		return t.Resize(arg)
	case "send":
		text, err := strconv.Unquote(`"` + arg + `"`)
		if err != nil {
			return err
		}
		return t.Send(text)
	}
	return fmt.Errorf("unknown step %q", line)
}
