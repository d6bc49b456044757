package main

import (
	"fmt"
	"strings"

	"github.com/manager-project/manager/internal/version"
	"github.com/manager-project/manager/pkg/errdefs"
)

// exitOfProgram, as the code of a failed command, means that 126 and 127 are told apart and that
// anything else is 1.
const exitOfProgram = -1

// command is one word of the command line.
type command struct {
	name string
	// args is what follows the options in the usage line.
	args string
	// summary is one line; about is what help says more, or "".
	summary, about string
	flags          []option
	// least and most are how many arguments there may be; most < 0 is any number.
	least, most int
	// inOrder says that the first argument ends the options: what follows is another program's.
	inOrder bool
	// failure is the exit code of an error: 0 means 1.
	failure int
	run     func(a *app, args []string) (code int, err error)
}

// maker makes a command.
type maker struct {
	name string
	make func() *command
}

// makers make the commands, in the order of help. Of the options that each has, one run of the program needs one command's.
func makers() []maker {
	return []maker{
		{"checkpoint", checkpointCommand},
		{"create", createCommand},
		{"delete", deleteCommand},
		{"events", eventsCommand},
		{"exec", execCommand},
		{"features", featuresCommand},
		{"kill", killCommand},
		{"list", listCommand},
		{"pause", pauseCommand},
		{"ps", psCommand},
		{"restore", restoreCommand},
		{"resume", resumeCommand},
		{"run", runCommand},
		{"spec", specCommand},
		{"start", startCommand},
		{"state", stateCommand},
		{"update", updateCommand},
	}
}

// commands are all of them, for help.
func commands() []*command {
	var all []*command
	for _, m := range makers() {
		all = append(all, m.make())
	}
	return all
}

func find(word string) *command {
	for _, m := range makers() {
		if m.name == word {
			return m.make()
		}
	}
	return nil
}

// dispatch finds the command and runs it.
func (a *app) dispatch(args []string) (int, error) {
	p := parser{flags: a.flags(), inOrder: true}
	rest, err := p.parse(args)
	if err != nil {
		return 1, err
	}
	switch {
	case a.version:
		return 0, a.printVersion()
	case p.help || len(rest) == 0 && len(args) == 0 || len(rest) > 0 && (rest[0] == "help" || rest[0] == "h") && len(rest) == 1:
		a.printHelp()
		return 0, nil
	case len(rest) > 1 && (rest[0] == "help" || rest[0] == "h"):
		rest = []string{rest[1], "--help"}
	case len(rest) == 0:
		return 1, errdefs.Invalid(name, "", "no command given").WithHint("see %s --help", name)
	}
	c := find(rest[0])
	if c == nil {
		return 1, errdefs.Invalid(name, rest[0], "No help topic for '%s'", rest[0]).WithHint("see %s --help for the commands", name)
	}
	return a.call(c, rest[1:])
}

// call parses a command's options and runs it.
func (a *app) call(c *command, args []string) (int, error) {
	code := c.failure
	if code == 0 {
		code = 1
	}
	p := parser{flags: c.flags, inOrder: c.inOrder}
	args, err := p.parse(args)
	if p.help {
		a.printCommandHelp(c)
		return 0, nil
	}
	if err := a.setUp(); err != nil {
		return code, err
	}
	if err != nil {
		return code, errdefs.Invalid(c.name, strings.Join(p.wrong, " "), "%w", err).WithHint("see %s %s --help", name, c.name)
	}
	if err := c.checkArgs(len(args)); err != nil {
		return code, err
	}
	got, err := c.run(a, args)
	if err != nil {
		return code, err
	}
	return got, nil
}

func (c *command) checkArgs(n int) error {
	want := ""
	switch {
	case n < c.least && c.least == c.most, c.most >= 0 && n > c.most && c.least == c.most:
		want = fmt.Sprintf("exactly %d", c.least)
	case n < c.least:
		want = fmt.Sprintf("a minimum of %d", c.least)
	case c.most >= 0 && n > c.most:
		want = fmt.Sprintf("a maximum of %d", c.most)
	default:
		return nil
	}
	return errdefs.Invalid(c.name, "", "%q requires %s argument(s)", c.name, want).WithHint("usage: %s %s", name, c.usage())
}

func (c *command) usage() string {
	s := c.name
	if len(c.flags) > 0 {
		s += " [options]"
	}
	if c.args != "" {
		s += " " + c.args
	}
	return s
}

// specVersion is the runtime specification that is implemented.
const specVersion = "1.3.0"

// printVersion begins as runc's does: engines ask for the runtime's version by these words.
func (a *app) printVersion() error {
	info := version.Get()
	_, err := fmt.Fprintf(a.out, "runc version %s\ncommit: %s\nspec: %s\nprogram: %s\ngo: %s\n",
		info.Version, orUnknown(info.GitCommit), specVersion, name, info.GoVersion)
	return err
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
