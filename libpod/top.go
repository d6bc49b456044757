package libpod

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/libpod/proctable"
	"github.com/manager-project/manager/pkg/errdefs"
)

// Top returns a header and a row for each process of a container. Arguments are format
// descriptors (see proctable); with a leading dash they go to the host's own ps(1). Nothing
// of the container is executed for it.
func (r *Runtime) Top(ctx context.Context, id string, args []string) ([][]string, error) {
	c, err := r.load(ctx, id)
	if err != nil {
		return nil, err
	}
	if !c.current().Live() {
		return nil, c.wrongState("list the processes of", "running")
	}
	rows, err := c.processes(ctx, args)
	if err != nil {
		return nil, c.whileEnding("list the processes of", err)
	}
	return rows, nil
}

func (c *container) processes(ctx context.Context, args []string) ([][]string, error) {
	pids, err := c.pids(ctx)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		return hostPS(ctx, pids, args)
	}
	return proctable.Table(c.row.State.PID, pids, proctable.Split(args))
}

// pids are the container's processes, by its cgroup; without one, by its pid namespace.
func (c *container) pids(ctx context.Context) ([]int, error) {
	if c.row.State.CgroupPath == "" {
		return proctable.SameNamespace(c.row.State.PID)
	}
	rt, err := c.runtime()
	if err != nil {
		return nil, err
	}
	l, ok := rt.(oci.Lister)
	if !ok {
		return []int{c.row.State.PID}, nil
	}
	return l.PIDs(ctx, c.row.State.CgroupPath)
}

// hostPS runs the host's ps with the user's options on the container's processes.
func hostPS(ctx context.Context, pids []int, args []string) ([][]string, error) {
	list := make([]string, len(pids))
	for i, p := range pids {
		list[i] = fmt.Sprint(p)
	}
	cmd := exec.CommandContext(ctx, "ps", append(append([]string{}, args...), "-q", strings.Join(list, ","))...)
	out, err := cmd.Output()
	if err != nil {
		return nil, &errdefs.Error{Op: "ps", Name: strings.Join(args, " "), Class: errdefs.ErrInvalid, Cause: err, Hint: "check the options, or use format descriptors such as pid,user,comm"}
	}
	var rows [][]string
	for line := range strings.Lines(string(out)) {
		rows = append(rows, []string{strings.TrimRight(line, "\n")})
	}
	return rows, nil
}
