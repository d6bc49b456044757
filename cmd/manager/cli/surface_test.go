package cli

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/spf13/cobra"
)

// testTree is the whole tree with all options bound and nowhere to print.
func testTree(t *testing.T) *tree {
	t.Helper()
	tr := newTree(&command.App{In: os.Stdin, Out: io.Discard, Err: io.Discard, LogLevel: "warn"})
	tr.bindAll()
	return tr
}

// readTable reads a file of test/surface without its heading.
func readTable(t *testing.T, name string) [][]string {
	t.Helper()
	var rows [][]string
	data, err := os.ReadFile("../../../test/surface/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		rows = append(rows, strings.Split(strings.TrimRight(line, "\n"), "\t"))
	}
	return rows[1:]
}

// find returns the command of those words, or nil.
func find(tr *tree, words string) *cobra.Command {
	cc := tr.root
next:
	for _, w := range strings.Fields(words) {
		for _, sub := range cc.Commands() {
			if sub.Name() == w || sub.HasAlias(w) {
				cc = sub
				continue next
			}
		}
		return nil
	}
	return cc
}

// TestEveryKnownCommand holds that a command people know exists or is in the list of
// absent ones, and never both.
func TestEveryKnownCommand(t *testing.T) {
	tr := testTree(t)
	gone := map[string]bool{}
	for _, a := range absent {
		gone[a] = true
		if find(tr, a) != nil {
			t.Errorf("%q is listed as absent and exists", a)
		}
	}
	for _, row := range readTable(t, "cli-commands.tsv") {
		words := strings.Fields(row[0])
		covered := find(tr, row[0]) != nil
		for i := range words {
			covered = covered || gone[strings.Join(words[:i+1], " ")]
		}
		if !covered {
			t.Errorf("%q neither exists nor is listed as absent", row[0])
		}
		if cc := find(tr, row[0]); cc != nil && len(row) > 1 && cc != tr.root {
			want := strings.NewReplacer("ARTIFACT|", "", "POD|NETWORK|", "", "[options] IMAGE [REFERENCE]", "").Replace(row[1])
			if got := usageLine(cc); got != want {
				t.Errorf("usage of %q: %q, want %q", row[0], got, want)
			}
		}
	}
}

// differ names options whose type or default is not the table's, with the reason.
var differ = map[string]string{
	"env":            "the default is the image's and the core's, not the option's",
	"runtime":        "our own runtime is the default",
	"cgroup-manager": "it is systemd where that runs with cgroup version 2",
}

// TestEveryKnownOption holds that every option people know exists on every command of
// ours, with the same shorthand, type and default.
func TestEveryKnownOption(t *testing.T) {
	tr := testTree(t)
	checked := 0
	for _, row := range readTable(t, "cli-options.tsv") {
		for len(row) < 5 {
			row = append(row, "")
		}
		words, name, short, kind, def := row[0], row[1], row[2], row[3], row[4]
		table := tr.globs
		if words != "(global)" {
			cc := find(tr, words)
			if cc == nil {
				continue
			}
			table = tr.nodes[cc].table
		}
		f := lookup(table, name)
		if f == nil {
			t.Errorf("%s: no option --%s", words, name)
			continue
		}
		checked++
		if f.Short != short {
			t.Errorf("%s --%s: shorthand %q, want %q", words, name, f.Short, short)
		}
		if got := shownType(f); got != kind {
			t.Errorf("%s --%s: type %q, want %q", words, name, got, kind)
		}
		if got := f.ShownDefault(); normal(got) != normal(def) && differ[name] == "" {
			t.Errorf("%s --%s: default %q, want %q", words, name, got, def)
		}
		if f.Usage == "" && f.Unsupported == "" {
			t.Errorf("%s --%s: neither a sentence nor a reason", words, name)
		}
	}
	if checked < 600 {
		t.Errorf("only %d options were compared; are the tables read?", checked)
	}
}

func lookup(table []flags.Flag, name string) *flags.Flag {
	for i := range table {
		if table[i].Name == name {
			return &table[i]
		}
	}
	return nil
}

func shownType(f *flags.Flag) string {
	if f.Value != "" {
		return f.Value
	}
	return f.TypeName()
}

// normal takes the quotes off a default; an empty list or false is no default.
func normal(s string) string {
	s = strings.Trim(s, `"`)
	if s == "[]" || s == "false" {
		return ""
	}
	return strings.ReplaceAll(s, `\\`, `\`)
}

// TestCommandsAreDescribed holds that each command has a line, examples and help.
func TestCommandsAreDescribed(t *testing.T) {
	tr := testTree(t)
	for cc, n := range tr.nodes {
		if n.desc.Short == "" || n.desc.Run != nil && n.desc.Examples == "" {
			t.Errorf("%s: no description or no example", cc.CommandPath())
		}
		for _, f := range n.table {
			if f.To == nil && f.Unsupported == "" && f.Accept == nil {
				t.Errorf("%s --%s is accepted and ignored", cc.CommandPath(), f.Name)
			}
		}
	}
}
