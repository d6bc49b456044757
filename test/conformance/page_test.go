// Package conformance keeps docs/conformance.md and docs/faults.md true: every requirement is there, and
// every test that they name exists.
package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	page   = "../../docs/conformance.md"
	faults = "../../docs/faults.md"
)

// A row is one requirement of a page.
type row struct {
	page                            string
	line                            int
	id, requirement, state, missing string
	tests                           []string
}

// span is a name in back-quotes.
var span = regexp.MustCompile("`([^`]+)`")

// rows reads a page's tables. Their columns are id, requirement, state, tests, and what is
// missing.
func rows(t *testing.T, page string) []row {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| id ") {
			continue
		}
		if len(cells) != 5 {
			t.Errorf("%s:%d: %d columns", page, number, len(cells))
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		r := row{page: page, line: number, id: cells[0], requirement: cells[1], state: cells[2], missing: cells[4]}
		for _, match := range span.FindAllStringSubmatch(cells[3], -1) {
			r.tests = append(r.tests, match[1])
		}
		all = append(all, r)
	}
	return all
}

// ids are the requirements that the page has to have, a row each.
func ids() []string {
	var all []string
	for prefix, count := range map[string]int{"L": 14, "C": 24, "X": 29, "B": 18, "U": 3} {
		for i := range count {
			all = append(all, fmt.Sprintf("%s%02d", prefix, i+1))
		}
	}
	all = append(all, strings.Fields(`
		features.versions features.recognised features.cgroup features.seccomp features.annotations
		cli.global cli.create cli.start cli.run cli.exec cli.state cli.kill cli.delete cli.list cli.ps cli.pause cli.events
		cli.update cli.checkpoint cli.restore cli.spec cli.callers
		text.containerd-kill text.containerd-delete text.containerd-create text.docker-126 text.docker-127 text.podman-run
		text.podman-exec text.own
		format.state format.log format.console format.listen-fds format.monitor`)...)
	return append(all, strings.Fields(`
		S01 S02 S03 S04 S05 S06 S07 S08 S09 S13 S14 S15 S17 S18 S19 S21 S22 S23 S26 S27 S44 S-Mask
		F04 F05 F14 F35 F38 F40 F41 F43 F44 F45 F46 F48`)...)
}

// faultIDs are the faults that the page of faults has to have.
func faultIDs() []string {
	return strings.Fields(`
		F01 F02 F03 F04 F05 F06 F07 F08 F09 F10 F11 F12 F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F24 F25 F26 F27
		F28 F29 F32 F33 F34 F36 F37 F38 F43 F46`)
}

func TestEveryRequirementHasARow(t *testing.T) {
	for page, ids := range map[string][]string{page: ids(), faults: faultIDs()} {
		seen := map[string]bool{}
		for _, r := range rows(t, page) {
			if seen[r.id] {
				t.Errorf("%s:%d: %s is there twice", page, r.line, r.id)
			}
			seen[r.id] = true
			if !slices.Contains(ids, r.id) {
				t.Errorf("%s:%d: no requirement is called %s", page, r.line, r.id)
			}
		}
		for _, id := range ids {
			if !seen[id] {
				t.Errorf("%s has no row %s", page, id)
			}
		}
	}
}

// both are the rows of both pages.
func both(t *testing.T) []row { return append(rows(t, page), rows(t, faults)...) }

// TestRowsSayWhatTheyMust: what is done is shown by a test, and what is not done is said.
func TestRowsSayWhatTheyMust(t *testing.T) {
	for _, r := range both(t) {
		shown, lacks := len(r.tests) > 0, r.missing != ""
		switch r.state {
		case "done":
			if !shown || lacks {
				t.Errorf("%s:%d: %s is done: it needs a test, and nothing may be missing", r.page, r.line, r.id)
			}
		case "partly":
			if !shown || !lacks {
				t.Errorf("%s:%d: %s is partly done: it needs a test, and what is missing", r.page, r.line, r.id)
			}
		case "not":
			if !lacks {
				t.Errorf("%s:%d: %s is not done: say what is missing", r.page, r.line, r.id)
			}
		default:
			t.Errorf("%s:%d: state %q of %s, want done, partly or not", r.page, r.line, r.state, r.id)
		}
		if r.requirement == "" {
			t.Errorf("%s:%d: %s requires nothing", r.page, r.line, r.id)
		}
	}
}

func TestNamedTestsExist(t *testing.T) {
	known, err := findTests("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range both(t) {
		for _, name := range r.tests {
			if err := known.find(name); err != nil {
				t.Errorf("%s:%d: %s: %v", r.page, r.line, r.id, err)
			}
		}
	}
}

// TestTheSumIsRight compares the numbers at a page's top with its rows.
func TestTheSumIsRight(t *testing.T) {
	for page, what := range map[string]string{page: "requirements", faults: "faults"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, r := range rows(t, page) {
			count[r.state]++
		}
		want := fmt.Sprintf("%d %s: %d done, %d partly, %d not.", len(rows(t, page)), what, count["done"], count["partly"], count["not"])
		if !strings.Contains(string(text), want) {
			t.Errorf("%s does not say %q", filepath.Base(page), want)
		}
	}
}
