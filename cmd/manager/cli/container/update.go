package container

import (
	"context"
	"slices"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/spec"
)

// updater is what update needs of the core.
type updater interface {
	selector
	Update(ctx context.Context, id string, req *spec.UpdateRequest) error
}

// Update is `manager update`.
func Update() *command.Command {
	var req spec.UpdateRequest
	var s libpod.Selection
	return &command.Command{
		Use:   "update [options] CONTAINER",
		Short: "Change the limits and settings of a container",
		Long: `Changes what was said when the container was made; what is not named stays. Limits of a running container count
at once, for others at the next start. Variables are seen by what exec starts from now on, and, like --ulimit, by the
container's program after its next start. The restart policy and the healthcheck of a running container change at once;
with another command the health is anew that of a start. The value 0 lifts a limit. When one value is refused, none is changed.`,
		Examples: `# More memory, and at most one and a half processors
manager update --memory 1g --cpus 1.5 web
# No limit of processes any more
manager update --pids-limit 0 web
# Restart it from now on, also when it is unhealthy
manager update --restart always --health-cmd "wget -q -O- localhost" --health-on-failure restart web`,
		Flags:    func() []flags.Flag { return updateFlags(&req, &s) },
		Args:     latestOr(&s.Latest, 1, "a container name or id, or --latest"),
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			name := ""
			if !s.Latest {
				name, args = args[0], args[1:]
			}
			if err := command.NoArgs(args); err != nil {
				return err
			}
			req.Changed = map[string]bool{}
			for option := range app.Changed {
				if option != "latest" {
					req.Changed[option] = true
				}
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return update(ctx, app, rt, name, s.Latest, &req)
		},
	}
}

// fixed are limits that are decided when a container is made.
var fixed = []string{"cgroup-conf", "cgroup-parent", "cgroups", "oom-kill-disable", "rdt-class"}

func updateFlags(req *spec.UpdateRequest, s *libpod.Selection) []flags.Flag {
	req.Limits.MemorySwappiness = -1
	table := slices.DeleteFunc(limitFlags(&req.Limits), func(f flags.Flag) bool { return slices.Contains(fixed, f.Name) })
	table = append(table,
		flags.Flag{Name: "env", Short: "e", Group: groupProcess, To: &req.Env, Usage: "Set a variable KEY=VALUE, or take KEY (KEY* for a prefix) from the host"},
		flags.Flag{Name: "unsetenv", Group: groupProcess, To: &req.UnsetEnv, Usage: "Remove a variable"},
		latestFlag(s),
		restartFlag(&req.Restart),
	)
	return append(table, healthFlags(&req.Health)...)
}

func update(ctx context.Context, app *command.App, core updater, name string, latest bool, req *spec.UpdateRequest) error {
	id, err := one(ctx, core, name, latest)
	if err != nil {
		return err
	}
	if err := core.Update(ctx, id, req); err != nil {
		return err
	}
	app.Println(id)
	return nil
}
