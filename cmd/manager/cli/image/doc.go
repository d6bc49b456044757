// Package image holds the commands on images and registries, one file per verb.
package image

import "github.com/manager-project/manager/cmd/manager/cli/command"

// Noun is `manager image` with all its verbs.
func Noun(inspect *command.Command) *command.Command {
	return &command.Command{
		Use:   "image [command]",
		Short: "Manage images",
		Commands: []*command.Command{
			Exists(), History(), Import(), inspect, Images().Renamed("list [options] [IMAGE]", "ls"), Load(), Prune(),
			Pull(), Push(), Rmi().Renamed("rm [options] IMAGE [IMAGE...]"), Save(), Tag(), Untag(),
		},
	}
}
