package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// The layout of help is runc's: engines' own suites look at its lines.

func (a *app) printHelp() {
	fmt.Fprintf(a.out, "NAME:\n   %s - run containers by the OCI runtime specification, with runc's command line\n\n", name)
	fmt.Fprintf(a.out, "USAGE:\n   %s [global options] command [command options] [arguments...]\n\nCOMMANDS:\n", name)
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(w, "   %s\t%s\n", c.name, c.summary)
	}
	fmt.Fprintf(w, "   help, h\tshow this, or the help of one command\n")
	_ = w.Flush()
	fmt.Fprint(a.out, "\nGLOBAL OPTIONS:\n")
	a.printFlags(a.flags())
}

func (a *app) printCommandHelp(c *command) {
	fmt.Fprintf(a.out, "NAME:\n   %s %s - %s\n\nUSAGE:\n   %s %s\n", name, c.name, c.summary, name, c.usage())
	if c.about != "" {
		fmt.Fprintf(a.out, "\nDESCRIPTION:\n   %s\n", strings.ReplaceAll(strings.TrimSpace(c.about), "\n", "\n   "))
	}
	fmt.Fprint(a.out, "\nOPTIONS:\n")
	a.printFlags(c.flags)
}

func (a *app) printFlags(flags []option) {
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	for _, f := range append(flags, option{name: "help", short: "h", usage: "show this"}) {
		if f.hidden {
			continue
		}
		value := ""
		if f.value != "" {
			value = " " + f.value
		}
		words := "--" + f.name + value
		if f.short != "" {
			words += ", -" + f.short + value
		}
		fmt.Fprintf(w, "   %s\t%s\n", words, f.usage)
	}
	_ = w.Flush()
}
