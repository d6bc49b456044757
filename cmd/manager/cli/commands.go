package cli

import (
	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/container"
	"github.com/manager-project/manager/cmd/manager/cli/system"
)

// commands is the tree below the root.
func commands(t *tree) []*command.Command {
	return []*command.Command{
		container.Attach(), container.Create(), container.Exec(), container.Logs(),
		container.Kill(), container.Pause(), container.Ps(), container.Rename(), container.Restart(),
		container.Rm(), container.Run(), container.Start(), container.Stop(), container.Top(),
		container.Unpause(), container.Wait(),
		container.Noun(),
		system.Version(),
		t.completionCommand(),
	}
}
