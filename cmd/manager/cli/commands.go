package cli

import (
	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/container"
	"github.com/manager-project/manager/cmd/manager/cli/healthcheck"
	"github.com/manager-project/manager/cmd/manager/cli/image"
	"github.com/manager-project/manager/cmd/manager/cli/inspect"
	"github.com/manager-project/manager/cmd/manager/cli/system"
	"github.com/manager-project/manager/cmd/manager/cli/volume"
)

// commands is the tree below the root.
func commands(t *tree) []*command.Command {
	return []*command.Command{
		container.Attach(), container.Create(), container.Exec(), container.Logs(),
		container.Kill(), container.Pause(), container.Port(), container.Ps(), container.Rename(), container.Restart(),
		container.Rm(), container.Run(), container.Start(), container.Stats(), container.Stop(),
		container.Top(), container.Unpause(), container.Update(), container.Wait(), container.Why(),
		container.Noun(inspect.Container()), inspect.Any(),
		healthcheck.Noun(),
		image.History(), image.Images(), image.Import(), image.Load(), image.Login(), image.Logout(),
		image.Pull(), image.Push(), image.Rmi(), image.Save(), image.Tag(), image.Untag(),
		image.Noun(inspect.Image()),
		volume.Noun(inspect.Volume()),
		system.Doctor(), system.Events(), system.Info(), system.Version(), system.Unshare(), system.Noun(),
		t.completionCommand(),
	}
}
