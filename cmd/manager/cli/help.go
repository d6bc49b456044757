package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/spf13/cobra"
)

// help prints a command's description, usage, verbs, examples and options by group.
func (t *tree) help(cc *cobra.Command, _ []string) {
	t.bind(cc)
	_, _ = io.WriteString(t.app.Out, t.helpText(cc))
}

func (t *tree) helpText(cc *cobra.Command) string {
	var b strings.Builder
	long := cc.Long
	if long == "" {
		long = cc.Short + "."
	}
	b.WriteString(wrap(long, "", 80))
	fmt.Fprintf(&b, "\nUsage:\n  %s\n", usageLine(cc))
	n := t.nodes[cc]
	if len(cc.Aliases) > 0 {
		fmt.Fprintf(&b, "\nOther names: %s\n", strings.Join(cc.Aliases, ", "))
	}
	if n != nil && n.desc.Examples != "" {
		b.WriteString("\nExamples:\n")
		for line := range strings.Lines(n.desc.Examples) {
			b.WriteString("  " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	writeCommands(&b, cc)
	table := t.globs
	if n != nil {
		table = n.table
	}
	writeOptions(&b, table)
	if cc.HasParent() {
		b.WriteString("\nGlobal options: see 'manager --help'.\n")
	}
	return b.String()
}

// usageLine is the usage with the names of the parents.
func usageLine(cc *cobra.Command) string {
	if !cc.HasParent() {
		return cc.Use
	}
	return cc.Parent().CommandPath() + " " + cc.Use
}

func writeCommands(b *strings.Builder, cc *cobra.Command) {
	var names [][2]string
	for _, sub := range cc.Commands() {
		if !sub.Hidden {
			names = append(names, [2]string{sub.Name(), sub.Short})
		}
	}
	if len(names) == 0 {
		return
	}
	b.WriteString("\nCommands:\n")
	for _, n := range names {
		fmt.Fprintf(b, "  %-12s %s\n", n[0], n[1])
	}
}

// groupsOf returns the headings in the order of first use, and the options under each, by
// name. Options that cannot be honoured come last, under a heading of their own.
func groupsOf(table []flags.Flag) (headings []string, groups map[string][]flags.Flag) {
	const refused = "Known but not available in this version"
	groups = map[string][]flags.Flag{}
	for _, f := range table {
		if f.Hidden {
			continue
		}
		heading := f.Group
		if heading == "" {
			heading = "Options"
		}
		if f.Unsupported != "" && len(f.Accept) == 0 {
			heading = refused
		}
		if groups[heading] == nil && heading != refused {
			headings = append(headings, heading)
		}
		groups[heading] = append(groups[heading], f)
	}
	if groups[refused] != nil {
		headings = append(headings, refused)
	}
	for _, g := range groups {
		slices.SortFunc(g, func(a, b flags.Flag) int { return strings.Compare(a.Name, b.Name) })
	}
	return headings, groups
}

func writeOptions(b *strings.Builder, table []flags.Flag) {
	headings, groups := groupsOf(table)
	for _, h := range headings {
		fmt.Fprintf(b, "\n%s:\n", h)
		for _, f := range groups[h] {
			writeOption(b, f)
		}
	}
}

const optionWidth = 34

func writeOption(b *strings.Builder, f flags.Flag) {
	left := optionSyntax(f)
	text := optionText(f)
	lines := strings.Split(strings.TrimRight(wrap(text, "", 80-optionWidth), "\n"), "\n")
	if len(left) > optionWidth-2 {
		b.WriteString(left + "\n")
		left = ""
	}
	for _, line := range lines {
		fmt.Fprintf(b, "%-*s%s\n", optionWidth, left, line)
		left = ""
	}
}

// optionSyntax is "  -e, --env stringArray".
func optionSyntax(f flags.Flag) string {
	s := "      --" + f.Name
	if f.Short != "" {
		s = "  -" + f.Short + ", --" + f.Name
	}
	if v := f.ValueName(); v != "" {
		s += " " + v
	}
	return s
}

// optionText is the sentence of an option with its default, or why it is refused.
func optionText(f flags.Flag) string {
	text := f.Usage
	if f.Unsupported != "" {
		if text == "" {
			text = upperFirst(f.Unsupported)
		}
		return text
	}
	if d := f.ShownDefault(); d != "" {
		text += " (default " + d + ")"
	}
	return text
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// wrap breaks text at blanks to lines of at most width letters.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line) > len(indent) && len([]rune(line))+1+len([]rune(word)) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}
