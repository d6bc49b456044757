package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of "go test -json". Source: "go doc test2json".
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	// FailedBuild names the package whose build failed, on a package's fail event.
	FailedBuild string
}

// flusher is a writer whose lines are to be seen while the tests run.
type flusher interface {
	io.Writer
	Flush() error
}

// summary gathers what happened.
type summary struct {
	out     flusher
	output  map[string][]string // lines of the tests and packages still running
	passed  int
	failed  []string
	skipped []string
	left    []string // what the whole run left on the machine
	broken  []string // packages that failed without a failing test: build, panic, timeout
	// failing counts the failed tests per package.
	failing map[string]int
	worlds  worlds
}

// newSummary returns an empty summary that prints to out.
func newSummary(out flusher) *summary {
	return &summary{
		out: out, output: map[string][]string{}, failing: map[string]int{},
		worlds: worlds{ran: map[string]bool{}, lanes: map[string]string{}},
	}
}

// read takes events until the end of the input. A line that is not an event is printed.
func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var ev event
			if json.Unmarshal([]byte(line), &ev) != nil {
				fmt.Fprint(s.out, line)
			} else {
				s.take(&ev)
			}
			s.out.Flush()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// take handles one event.
func (s *summary) take(ev *event) {
	name := strings.TrimSuffix(ev.Package+"."+ev.Test, ".")
	switch ev.Action {
	case "build-output":
		fmt.Fprint(s.out, ev.Output)
	case "output":
		s.output[name] = append(s.output[name], ev.Output)
		if ev.Test == "" && isClosing(ev.Output) {
			fmt.Fprint(s.out, ev.Output)
		}
	case "pass", "fail", "skip":
		if ev.Test == "" {
			s.endPackage(ev)
		} else {
			s.endTest(ev, name)
		}
		delete(s.output, name)
	}
}

// isClosing says whether the line is one with which go test closes a package.
func isClosing(line string) bool {
	for _, start := range []string{"ok  \t", "FAIL\t", "panic:", "?   \t"} {
		if strings.HasPrefix(line, start) {
			return true
		}
	}
	return false
}

// endTest counts one test.
func (s *summary) endTest(ev *event, name string) {
	why := reason(s.output[name])
	deferred := s.worlds.note(ev.Action, ev.Package, ev.Test, why)
	switch ev.Action {
	case "pass":
		s.passed++
	case "skip":
		if !deferred {
			s.skipped = append(s.skipped, name+": "+why)
		}
	case "fail":
		s.failing[ev.Package]++
		s.failed = append(s.failed, name)
		for _, line := range s.output[name] {
			fmt.Fprint(s.out, line)
		}
	}
}

// endPackage notices a package that failed without one of its tests saying why.
func (s *summary) endPackage(ev *event) {
	if ev.Action != "fail" || s.failing[ev.Package] > 0 {
		return
	}
	why := "the test program failed outside a test"
	if ev.FailedBuild != "" {
		why = "does not build: " + ev.FailedBuild
	} else {
		s.dumpPackage(ev.Package)
	}
	s.broken = append(s.broken, ev.Package+": "+why)
}

// dumpPackage prints what the package and its unfinished tests wrote.
func (s *summary) dumpPackage(pkg string) {
	var names []string
	for name := range s.output {
		if name == pkg || strings.HasPrefix(name, pkg+".Test") || strings.HasPrefix(name, pkg+".Fuzz") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, line := range s.output[name] {
			fmt.Fprint(s.out, line)
		}
	}
}

// reason finds why a test was skipped: the text of its Skip call, which is the last line
// that is not go test's own.
func reason(lines []string) string {
	for _, line := range slices.Backward(lines) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if file, text, found := strings.Cut(line, ": "); found && strings.Contains(file, ".go:") {
			return text
		}
		return line
	}
	return "no reason given"
}

// ok says whether the run counts as a success.
func (s *summary) ok() bool {
	return len(s.failed) == 0 && len(s.broken) == 0 && len(s.left) == 0 && s.passed > 0
}

// settle gives the tests that were left to other worlds their place in the sum.
func (s *summary) settle() {
	skipped, forgotten := s.worlds.settle()
	s.skipped = append(s.skipped, skipped...)
	s.failed = append(s.failed, forgotten...)
	s.worlds.deferred = nil
}

// report prints the sums.
func (s *summary) report() {
	s.settle()
	list := func(title string, names []string) {
		if len(names) == 0 {
			return
		}
		slices.Sort(names)
		fmt.Fprintf(s.out, "\n%s:\n", title)
		for _, name := range names {
			fmt.Fprintln(s.out, "  "+name)
		}
	}
	list("Skipped", s.skipped)
	list("Failed", s.failed)
	list("Broken packages", s.broken)
	list("Left behind by the tests", s.left)
	if s.passed == 0 && len(s.failed) == 0 {
		fmt.Fprintln(s.out, "\nNo test ran.")
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped\n",
		s.passed, len(s.failed)+len(s.broken)+min(len(s.left), 1), len(s.skipped))
}
