package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/spf13/cobra"
)

// Documents returns every generated page by its path below the source tree: manual pages,
// reference pages and completion scripts. The content depends on the command tree alone.
func Documents() (map[string][]byte, error) {
	t := newTree(&command.App{In: os.Stdin, Out: io.Discard, Err: io.Discard, LogLevel: "warn"})
	t.bindAll()
	files := map[string][]byte{}
	t.visit(t.root, func(cc *cobra.Command) {
		name := strings.ReplaceAll(cc.CommandPath(), " ", "-")
		files["docs/man/"+name+".1"] = []byte(t.manPage(cc))
		files["docs/reference/"+name+".md"] = []byte(t.referencePage(cc))
	})
	for shell, path := range map[string]string{"bash": "completions/manager.bash", "zsh": "completions/_manager", "fish": "completions/manager.fish"} {
		var b bytes.Buffer
		if err := t.completionScript(&b, shell, true); err != nil {
			return nil, err
		}
		files[path] = b.Bytes()
	}
	return files, nil
}

// visit calls f for a command and all shown ones below it, in order of their names.
func (t *tree) visit(cc *cobra.Command, f func(*cobra.Command)) {
	f(cc)
	subs := slices.Clone(cc.Commands())
	slices.SortFunc(subs, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	for _, sub := range subs {
		if !sub.Hidden {
			t.visit(sub, f)
		}
	}
}

// describe gathers what both kinds of pages show.
func (t *tree) describe(cc *cobra.Command) (long, examples string, table []flags.Flag) {
	long, table = cc.Long, t.globs
	if n := t.nodes[cc]; n != nil {
		examples, table = n.desc.Examples, n.table
	}
	if long == "" {
		long = cc.Short + "."
	}
	return long, examples, table
}

func (t *tree) referencePage(cc *cobra.Command) string {
	long, examples, table := t.describe(cc)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n## Usage\n\n```\n%s\n```\n", cc.CommandPath(), markdown(long), usageLine(cc))
	if examples != "" {
		fmt.Fprintf(&b, "\n## Examples\n\n```sh\n%s\n```\n", examples)
	}
	if subs := shown(cc); len(subs) > 0 {
		b.WriteString("\n## Commands\n\n")
		for _, sub := range subs {
			file := strings.ReplaceAll(sub.CommandPath(), " ", "-")
			fmt.Fprintf(&b, "- [%s](%s.md): %s\n", sub.Name(), file, sub.Short)
		}
	}
	headings, groups := groupsOf(table)
	for _, h := range headings {
		fmt.Fprintf(&b, "\n## %s\n\n", h)
		for _, f := range groups[h] {
			fmt.Fprintf(&b, "- `%s`: %s\n", strings.TrimSpace(optionSyntax(f)), markdown(optionText(f)))
		}
	}
	b.WriteString("\n## Exit status\n\n| code | meaning |\n|---|---|\n")
	for _, row := range t.exitStatuses(cc) {
		fmt.Fprintf(&b, "| %s | %s |\n", row.code, row.meaning)
	}
	return b.String()
}

// markdown keeps angle brackets from being taken for HTML.
func markdown(s string) string {
	return strings.NewReplacer("<", `\<`, ">", `\>`, "*", `\*`).Replace(s)
}

func shown(cc *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cc.Commands()), func(c *cobra.Command) bool { return c.Hidden })
}

func (t *tree) manPage(cc *cobra.Command) string {
	long, examples, table := t.describe(cc)
	var b strings.Builder
	title := strings.ReplaceAll(cc.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %q 1 \"\" manager \"Manager commands\"\n", strings.ToUpper(title))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(title), roff(cc.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n%s\n.SH DESCRIPTION\n%s\n", roff(usageLine(cc)), roff(long))
	if subs := shown(cc); len(subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range subs {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(sub.Name()), roff(sub.Short))
		}
	}
	writeManOptions(&b, table)
	if examples != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(examples))
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, row := range t.exitStatuses(cc) {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", row.code, roff(row.meaning))
	}
	if pages := t.seeAlso(cc); len(pages) > 0 {
		fmt.Fprintf(&b, ".SH SEE ALSO\n")
		for i, page := range pages {
			comma := ","
			if i == len(pages)-1 {
				comma = ""
			}
			fmt.Fprintf(&b, ".BR %s (1)%s\n", roff(page), comma)
		}
	}
	return b.String()
}

// writeManOptions writes one section, with a part for each group when there are several.
func writeManOptions(b *strings.Builder, table []flags.Flag) {
	headings, groups := groupsOf(table)
	if len(headings) > 0 {
		b.WriteString(".SH OPTIONS\n")
	}
	for _, h := range headings {
		if len(headings) > 1 {
			fmt.Fprintf(b, ".SS %s\n", roff(h))
		}
		for _, f := range groups[h] {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(optionSyntax(f))), roff(optionText(f)))
		}
	}
}

// roff escapes text for a manual page: backslashes, hyphens that people copy, and dots
// and quotes at the beginning of a line, which would be requests.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
