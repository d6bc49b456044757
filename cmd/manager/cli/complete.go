package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/spf13/cobra"
)

// completionCommand is `manager completion`.
func (t *tree) completionCommand() *command.Command {
	var file string
	var noDesc bool
	return &command.Command{
		Use:   "completion [options] {bash|zsh|fish}",
		Short: "Print the completion script of a shell",
		Examples: `# Complete in this bash
source <(manager completion bash)`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "file", Short: "f", To: &file, Complete: flags.CompleteFiles, Usage: "Write to this file"},
				{Name: "no-desc", To: &noDesc, Usage: "Complete without descriptions"},
			}
		},
		Args:    command.Exactly(1, "one of bash, zsh, fish"),
		Outside: true,
		Run: func(_ context.Context, app *command.App, args []string) error {
			var b bytes.Buffer
			if err := t.completionScript(&b, args[0], !noDesc); err != nil {
				return err
			}
			if file != "" {
				return writeFile(file, b.Bytes())
			}
			_, err := b.WriteTo(app.Out)
			return err
		},
	}
}

func (t *tree) completionScript(w io.Writer, shell string, descriptions bool) error {
	switch shell {
	case "bash":
		return t.root.GenBashCompletionV2(w, descriptions)
	case "zsh":
		if !descriptions {
			return t.root.GenZshCompletionNoDesc(w)
		}
		return t.root.GenZshCompletion(w)
	case "fish":
		return t.root.GenFishCompletion(w, descriptions)
	}
	return invalidShell(shell)
}

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeArgs completes positional arguments.
func (t *tree) completeArgs(c *command.Command) completion {
	return func(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if c.NoInterspersed && len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return t.complete(c.Complete, prefix)
	}
}

// registerCompletions completes the values of options.
func (t *tree) registerCompletions(cc *cobra.Command, table []flags.Flag) {
	for i := range table {
		f := table[i]
		if f.Complete == flags.CompleteNone && len(f.Choices) == 0 {
			continue
		}
		_ = cc.RegisterFlagCompletionFunc(f.Name, func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(f.Choices) > 0 {
				return f.Choices, cobra.ShellCompDirectiveNoFileComp
			}
			return t.complete(f.Complete, prefix)
		})
	}
}

func (t *tree) complete(kind flags.Completion, prefix string) ([]string, cobra.ShellCompDirective) {
	ctx := context.Background()
	switch kind {
	case flags.CompleteFiles:
		return nil, cobra.ShellCompDirectiveDefault
	case flags.CompleteDirs:
		return nil, cobra.ShellCompDirectiveFilterDirs
	case flags.CompleteSignals:
		return signalNames, cobra.ShellCompDirectiveNoFileComp
	case flags.CompleteContainers, flags.CompleteRunning:
		return t.containerNames(ctx, prefix, kind == flags.CompleteContainers), cobra.ShellCompDirectiveNoFileComp
	case flags.CompleteVolumes:
		return t.volumeNames(ctx, prefix), cobra.ShellCompDirectiveDefault
	case flags.CompleteImages:
		return t.imageNames(ctx, prefix), cobra.ShellCompDirectiveNoFileComp
	default:
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func (t *tree) containerNames(ctx context.Context, prefix string, all bool) []string {
	rt, err := t.app.Runtime(ctx)
	if err != nil {
		return nil
	}
	entries, err := rt.List(ctx, libpod.ListOptions{All: all, Last: -1})
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if len(e.Names) > 0 && strings.HasPrefix(e.Names[0], prefix) {
			names = append(names, fmt.Sprintf("%s\t%s", e.Names[0], e.Image))
		} else if len(prefix) > 1 && strings.HasPrefix(e.ID, prefix) {
			names = append(names, fmt.Sprintf("%s\t%s", e.ID[:12], e.Image))
		}
	}
	return names
}

func (t *tree) volumeNames(ctx context.Context, prefix string) []string {
	rt, err := t.app.Runtime(ctx)
	if err != nil {
		return nil
	}
	volumes, err := rt.VolumeList(ctx, nil)
	if err != nil {
		return nil
	}
	var names []string
	for _, v := range volumes {
		if strings.HasPrefix(v.Name, prefix) {
			names = append(names, v.Name)
		}
	}
	return names
}

// signalNames are offered for --signal and --stop-signal.
var signalNames = []string{
	"SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTERM", "SIGCONT", "SIGSTOP", "SIGWINCH",
}
