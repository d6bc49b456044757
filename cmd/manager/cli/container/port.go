package container

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// Port is `manager port`.
func Port() *command.Command {
	var o portOptions
	return &command.Command{
		Use:   "port [options] CONTAINER [PORT]",
		Short: "List the published ports of a container",
		Long: `Shows which ports of the host lead to which ports of the container. With a port of the container, only where that one
is published; the protocol is tcp unless it says otherwise. A port that is not published is an error.`,
		Examples: `# Where is the container's port 80?
manager port web 80

# The ports of all running containers
manager port --all`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "all", Short: "a", To: &o.all, Usage: "Show the ports of all running containers"},
				{Name: "latest", Short: "l", To: &o.latest, Usage: "Act on the container that was made last"},
			}
		},
		Args:     command.Between(0, 2, "a container, and a port"),
		Complete: flags.CompleteContainers,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return o.run(ctx, rt, app.Out, args)
		},
	}
}

type portOptions struct{ all, latest bool }

// ported is what port needs of the core.
type ported interface {
	List(ctx context.Context, o libpod.ListOptions) ([]libpod.ListEntry, error)
	PublishedPorts(ctx context.Context, name string) ([]spec.Port, error)
}

func (o *portOptions) run(ctx context.Context, core ported, out io.Writer, args []string) error {
	switch {
	case o.all && (o.latest || len(args) > 0):
		return errdefs.Invalid("--all", "", "it goes with no container").WithHint("leave one of the two out")
	case o.latest && len(args) > 1, !o.latest && !o.all && len(args) == 0:
		return errdefs.Invalid("port", strings.Join(args, " "), "name one container, or give --latest or --all").WithHint("see 'manager port --help'")
	case o.all:
		all, err := core.List(ctx, libpod.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range all {
			for _, line := range portLines(e.Ports) {
				_, _ = fmt.Fprintf(out, "%s\t%s\n", e.ID[:min(12, len(e.ID))], line)
			}
		}
		return nil
	case o.latest:
		all, err := core.List(ctx, libpod.ListOptions{Latest: true, All: true})
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return errdefs.NotFound("container", "--latest")
		}
		args = append([]string{all[0].ID}, args...)
	}
	ports, err := core.PublishedPorts(ctx, args[0])
	if err != nil {
		return err
	}
	if len(args) == 1 {
		for _, line := range portLines(ports) {
			_, _ = fmt.Fprintln(out, line)
		}
		return nil
	}
	want, err := spec.ParseExpose(args[1])
	if err != nil || len(want) != 1 {
		return errdefs.Invalid("port", args[1], "not a port of the container").WithHint("write PORT[/tcp|udp]")
	}
	found := false
	for _, run := range ports {
		for _, p := range run.Each() {
			if p.Inside() == want[0] {
				_, _ = fmt.Fprintln(out, p.String())
				found = true
			}
		}
	}
	if !found {
		return errdefs.New(errdefs.ErrNotFound, "container", args[0], "its port %s is not published", want[0]).
			WithHint("\"manager port %s\" shows those that are", args[0])
	}
	return nil
}

// portLines are "80/tcp -> 0.0.0.0:8080".
func portLines(ports []spec.Port) []string {
	var lines []string
	for _, run := range ports {
		for _, p := range run.Each() {
			lines = append(lines, p.Inside()+" -> "+p.String())
		}
	}
	return lines
}
