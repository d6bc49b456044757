// Package healthcheck holds the commands on containers' health, one file per verb.
package healthcheck

import "github.com/manager-project/manager/cmd/manager/cli/command"

// Noun is `manager healthcheck` with all its verbs.
func Noun() *command.Command {
	return &command.Command{
		Use:      "healthcheck [command]",
		Short:    "Manage healthchecks of containers",
		Commands: []*command.Command{Run()},
	}
}
