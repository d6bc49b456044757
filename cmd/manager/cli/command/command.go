// Package command says what a command of the CLI is: words, options, and one function
// that does the work through the core.
//
// The tree of all commands is cheap to build, because options are bound only for the
// command that runs. The packages beside this one hold one file per verb.
package command

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/flags"
)

// Command is one verb, or a noun that groups verbs.
type Command struct {
	// Use is the usage line after the parents' names: "stop [options] CONTAINER [CONTAINER...]".
	Use string
	// Aliases are other names of the same command.
	Aliases []string
	// Short is one line for lists of commands; Long the description, "" means Short.
	Short string
	Long  string
	// Examples are command lines, each with a remark above it starting with "#".
	Examples string
	// Flags returns the options' table, bound to the fields the command reads. It is called at
	// most once per process. Nil means none.
	Flags func() []flags.Flag
	// Args checks the number of positional arguments. Nil allows any number.
	Args ArgRule
	// Complete says what positional arguments are.
	Complete flags.Completion
	// NoInterspersed ends options at the first argument, for commands that take a program's
	// command line.
	NoInterspersed bool
	// Codes overrides the exit codes of error classes for this command.
	Codes Codes
	// Outside says that the command looks at nothing that a user's namespaces are needed for.
	Outside bool
	// BeforeJoin looks at what cannot be seen from inside of a user's namespaces, with the options read. It is called before they
	// are joined, and in the program that has become. Nil does nothing.
	BeforeJoin func()
	// Transfers says that the command moves images, or reads the settings for that. A program
	// without transfers starts the one with them before it does anything; see image.ErrElsewhere.
	// Others find out on the way, and only as long as they have changed nothing.
	Transfers bool
	// Run does the work. Nil marks a noun.
	Run func(ctx context.Context, app *App, args []string) error
	// Commands are the verbs of a noun.
	Commands []*Command
	// Hidden keeps a command for machines out of lists.
	Hidden bool
}

// Name is the first word of Use.
func (c *Command) Name() string {
	for i := range c.Use {
		if c.Use[i] == ' ' {
			return c.Use[:i]
		}
	}
	return c.Use
}

// Renamed returns a copy of the command under another usage line, for the verbs that
// exist twice ("ps", "container list").
func (c *Command) Renamed(use string, aliases ...string) *Command {
	copied := *c
	copied.Use, copied.Aliases = use, aliases
	return &copied
}
