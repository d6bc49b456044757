package cli

import (
	"slices"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod/image"
	"github.com/spf13/cobra"
)

// tree is the whole command line bound to one App. Options are bound when bind is called,
// so that a run pays for one command and not for eighty.
type tree struct {
	app   *command.App
	root  *cobra.Command
	globs []flags.Flag
	// nodes finds a command's description and its options' table.
	nodes map[*cobra.Command]*node
	codes command.Codes
}

type node struct {
	desc  *command.Command
	table []flags.Flag
	bound bool
}

// newTree builds the tree. Nothing but the global options is bound.
func newTree(app *command.App) *tree {
	t := &tree{app: app, nodes: map[*cobra.Command]*node{}}
	t.root = &cobra.Command{
		Use:              "manager [options] [command]",
		Short:            "Manage containers and images",
		Long:             "Runs containers and manages their images and volumes, without a daemon.",
		SilenceErrors:    true,
		SilenceUsage:     true,
		TraverseChildren: true,
		Args:             func(*cobra.Command, []string) error { return nil },
		RunE:             t.runRoot,
	}
	t.root.SetOut(app.Out)
	t.root.SetErr(app.Err)
	t.root.CompletionOptions.DisableDefaultCmd = true
	t.root.DisableSuggestions = true
	t.globs = globalFlags(app)
	flags.Bind(t.root.PersistentFlags(), persistent(t.globs, true))
	flags.Bind(t.root.Flags(), persistent(t.globs, false))
	for _, c := range commands(t) {
		t.add(t.root, c)
	}
	t.root.SetHelpFunc(t.help)
	t.root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	t.root.SetFlagErrorFunc(t.flagError)
	return t
}

// persistent splits the global options: those without a shorthand are valid anywhere,
// those with one only before the command, where their letters are free.
func persistent(table []flags.Flag, want bool) []flags.Flag {
	return slices.DeleteFunc(slices.Clone(table), func(f flags.Flag) bool { return (f.Short == "") != want })
}

func (t *tree) add(parent *cobra.Command, c *command.Command) {
	cc := &cobra.Command{
		Use: c.Use, Aliases: c.Aliases, Short: c.Short, Long: c.Long, Hidden: c.Hidden,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     t.completeArgs(c),
		RunE:                  t.runner(c),
		Args:                  func(*cobra.Command, []string) error { return nil },
	}
	if c.NoInterspersed {
		cc.Flags().SetInterspersed(false)
	}
	t.nodes[cc] = &node{desc: c}
	parent.AddCommand(cc)
	for _, sub := range c.Commands {
		t.add(cc, sub)
	}
}

// bind registers the options of one command, once.
func (t *tree) bind(cc *cobra.Command) *node {
	n := t.nodes[cc]
	if n == nil || n.bound {
		return n
	}
	n.bound = true
	if n.desc.Flags != nil {
		n.table = n.desc.Flags()
		flags.Bind(cc.Flags(), n.table)
		t.registerCompletions(cc, n.table)
	}
	short := "h"
	if cc.Flags().ShorthandLookup(short) != nil { // run -h is the host name
		short = ""
	}
	cc.Flags().BoolP("help", short, false, "Show help")
	return n
}

// bindFor binds the options of the command that args name.
func (t *tree) bindFor(args []string) *cobra.Command {
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		args = args[1:]
		if len(args) > 0 {
			args = args[:len(args)-1]
		}
	}
	cc, _, err := t.root.Find(args)
	if err != nil {
		return nil
	}
	t.bind(cc)
	return cc
}

// bindAll binds every command, for documentation and tests.
func (t *tree) bindAll() {
	for cc := range t.nodes {
		t.bind(cc)
	}
}

func (t *tree) runRoot(cc *cobra.Command, args []string) error {
	if err := flags.Check(t.root.PersistentFlags(), persistent(t.globs, true)); err != nil {
		return err
	}
	if err := flags.Check(t.root.Flags(), persistent(t.globs, false)); err != nil {
		return err
	}
	if t.app.ShowVersion {
		return printShortVersion(t.app)
	}
	if len(args) > 0 && args[0] == "help" { // after global options; before them see helpToFlag
		return t.helpFor(args[1:])
	}
	if len(args) > 0 {
		return t.unknown(cc, args[0])
	}
	return cc.Help()
}

// helpFor prints the help of the command that words name.
func (t *tree) helpFor(words []string) error {
	cc, rest, err := t.root.Find(words)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return t.unknown(cc, rest[0])
	}
	return cc.Help()
}

// runner wraps a command's work in what all commands share.
func (t *tree) runner(c *command.Command) func(*cobra.Command, []string) error {
	return func(cc *cobra.Command, args []string) error {
		n := t.bind(cc)
		t.codes = c.Codes
		for _, check := range []func() error{
			func() error { return flags.Check(cc.Flags(), persistent(t.globs, true)) },
			func() error { return flags.Check(t.root.Flags(), persistent(t.globs, false)) },
			func() error { return flags.Check(cc.Flags(), n.table) },
		} {
			if err := check(); err != nil {
				return err
			}
		}
		if c.Run == nil {
			if len(args) > 0 {
				return t.unknown(cc, args[0])
			}
			return cc.Help()
		}
		if c.Args != nil {
			if err := c.Args(args); err != nil {
				return argsError(cc, err)
			}
		}
		if c.BeforeJoin != nil {
			c.BeforeJoin()
		}
		if !c.Outside {
			// First of all: what standard input has cannot be read twice.
			if err := t.app.Join(); err != nil {
				return err
			}
		}
		if c.Transfers && !image.HasTransfers {
			return image.ErrElsewhere
		}
		if err := setUpLog(t.app); err != nil {
			return err
		}
		t.app.Changed = flags.Changed(cc.Flags())
		return c.Run(cc.Context(), t.app, args)
	}
}

// path is the command's words without the program's name.
func path(cc *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(cc.CommandPath(), "manager"), " ")
}
