// Package volume holds the commands on volumes, one file per verb.
package volume

import "github.com/manager-project/manager/cmd/manager/cli/command"

// Noun is `manager volume` with all its verbs.
func Noun(inspect *command.Command) *command.Command {
	return &command.Command{
		Use:      "volume [command]",
		Short:    "Manage volumes",
		Commands: []*command.Command{Create(), Exists(), inspect, Ls(), Prune(), Rm()},
	}
}
