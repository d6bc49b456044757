// Package container holds the commands on containers, one file per verb.
package container

import "github.com/manager-project/manager/cmd/manager/cli/command"

// Noun is `manager container` with all its verbs.
func Noun(inspect *command.Command) *command.Command {
	list := Ps().Renamed("list [options]", "ls")
	return &command.Command{
		Use:   "container [command]",
		Short: "Manage containers",
		Commands: []*command.Command{
			Attach(), Checkpoint(), Cleanup(), Create(), Exec(), Exists(), inspect, Kill(), list, Logs(), Pause(), Port(),
			Prune(), Ps(), Rename(), Restart(), Restore(), Rm(), Run(), Start(), Stats(), Stop(), Top(), Unpause(), Update(), Wait(), Why(),
		},
	}
}
