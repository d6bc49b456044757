package volume

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
)

// creator is what create needs of the core.
type creator interface {
	VolumeCreate(ctx context.Context, o libpod.VolumeCreateOptions) (*libpod.Volume, error)
}

// Create is `manager volume create`.
func Create() *command.Command {
	o := libpod.VolumeCreateOptions{Driver: "local"}
	return &command.Command{
		Use:   "create [options] [NAME]",
		Short: "Make a volume",
		Long:  "Makes a volume and prints its name; without a name one is made up.",
		Examples: `# A volume with a label
manager volume create --label app=web data
# A tmpfs of limited size
manager volume create -o type=tmpfs -o device=tmpfs -o o=size=64m scratch`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "driver", Short: "d", To: &o.Driver, Choices: []string{"local"}, Usage: "Driver of the volume"},
				{Name: "gid", To: &o.GID, Usage: "Group of the volume's directory"},
				{Name: "ignore", To: &o.Ignore, Usage: "Be content with a volume of that name"},
				{Name: "label", Short: "l", To: &o.Labels, Default: "[]", Usage: "Set a label KEY=VALUE"},
				{Name: "opt", Short: "o", To: &o.Options, Default: "[]", Usage: "Option of the driver: type=, device=, o="},
				{Name: "uid", To: &o.UID, Usage: "Owner of the volume's directory"},
			}
		},
		Args: command.Between(0, 1, "at most one name"),
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if len(args) > 0 {
				o.Name = args[0]
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return create(ctx, app, rt, o)
		},
	}
}

func create(ctx context.Context, app *command.App, core creator, o libpod.VolumeCreateOptions) error {
	v, err := core.VolumeCreate(ctx, o)
	if err != nil {
		return err
	}
	app.Println(v.Name)
	return nil
}
