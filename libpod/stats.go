package libpod

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// StatsOptions of Stats.
type StatsOptions struct {
	// IDs are the containers, in the order of the answer.
	IDs []string
	// Lenient leaves out those that are gone, or whose use cannot be told, which is otherwise an error.
	Lenient bool
}

// ContainerStats is what a container used at one moment. Of one that does not run only ID and Name are set.
type ContainerStats struct {
	ID, Name string
	// Generation counts the container's starts: counters of another start are not to be compared.
	Generation uint64
	// At is when the counters were read, StartedAt when the program was started.
	At, StartedAt time.Time
	// CPU is processor time since the start in nanoseconds, CPUSystem the kernel's part of it. PerCPU is CPU
	// by processor, where the kernel counts that (version 1).
	CPU, CPUSystem uint64
	PerCPU         []uint64
	// Memory is what is in use, in bytes, MemoryLimit the most there can be: the container's limit or
	// the host's memory.
	Memory, MemoryLimit uint64
	// Network are the counters of the container's interfaces but the loopback's, by name. Nil with the
	// host's network.
	Network map[string]InterfaceStats
	// BlockRead and BlockWritten are bytes from and to block devices.
	BlockRead, BlockWritten uint64
	// PIDs is the number of tasks.
	PIDs uint64
}

// InterfaceStats are the counters of a network interface, as the container sees them.
type InterfaceStats struct {
	RxBytes, RxPackets, RxErrors, RxDropped uint64
	TxBytes, TxPackets, TxErrors, TxDropped uint64
}

// Stats reads what containers use. Nothing is locked, and no process of a container is asked.
func (r *Runtime) Stats(ctx context.Context, o StatsOptions) ([]ContainerStats, error) {
	var all []ContainerStats
	for _, id := range o.IDs {
		s, err := r.stats(ctx, id)
		switch {
		case err == nil:
			all = append(all, s)
		case o.Lenient && (errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrUnsupported)):
		default:
			return nil, err
		}
	}
	return all, nil
}

func (r *Runtime) stats(ctx context.Context, id string) (ContainerStats, error) {
	c, err := r.load(ctx, id)
	if err != nil {
		return ContainerStats{}, err
	}
	none := ContainerStats{ID: c.row.ID, Name: c.row.Name}
	if !c.current().Live() {
		return none, nil
	}
	s, err := c.count(ctx)
	if !c.current().Live() {
		return none, nil // it ended while we looked
	}
	return s, err
}

// count reads the counters of a container that runs.
func (c *container) count(ctx context.Context) (ContainerStats, error) {
	st := &c.row.State
	s := ContainerStats{ID: c.row.ID, Name: c.row.Name, Generation: st.Generation, StartedAt: st.StartedAt}
	if st.CgroupPath == "" {
		return s, c.fail("count", errdefs.ErrUnsupported, errors.New("it has no cgroup"), "run it without --cgroups=disabled")
	}
	rt, err := c.runtime()
	if err != nil {
		return s, err
	}
	counter, ok := rt.(oci.Counter)
	if !ok {
		return s, c.fail("count", errdefs.ErrUnsupported, errors.New("its runtime does not count"), "")
	}
	cg, err := counter.Stats(ctx, st.CgroupPath)
	if err != nil {
		return s, c.fail("count", nil, err, errdefs.Hint(err))
	}
	s.At = time.Now()
	s.CPU, s.CPUSystem, s.PerCPU = cg.CPU.Usage.Total, cg.CPU.Usage.Kernel, cg.CPU.Usage.Percpu
	s.Memory, s.MemoryLimit = cg.Memory.Usage.Usage, memoryLimit(cg.Memory.Usage.Limit)
	s.PIDs = cg.Pids.Current
	s.BlockRead, s.BlockWritten = blockBytes(cg.Blkio.IoServiceBytesRecursive)
	if c.cfg.Net.Namespace.Mode != spec.NSHost {
		s.Network, err = interfaces(st.PID)
	}
	return s, err
}

// memoryLimit is a cgroup's limit, or the host's memory where that is less.
func memoryLimit(limit uint64) uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return limit
	}
	host := uint64(info.Totalram) * uint64(info.Unit)
	if limit == 0 {
		return host
	}
	return min(limit, host)
}

// blockBytes adds the devices' counters.
func blockBytes(entries []cgroups.BlkioEntry) (read, written uint64) {
	for _, e := range entries {
		switch strings.ToLower(e.Op) {
		case "read":
			read += e.Value
		case "write":
			written += e.Value
		}
	}
	return read, written
}

// maxInterfaces bounds what is read of a container's interfaces: it may have made many.
const maxInterfaces = 1 << 20 // bytes of the kernel's table

// interfaces reads the counters of the network namespace that a process is in. Source: proc_pid_net(5), dev.
func interfaces(pid int) (map[string]InterfaceStats, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := readLimited(f, maxInterfaces)
	if err != nil {
		return nil, err
	}
	return parseInterfaces(string(raw)), nil
}

// parseInterfaces reads a line for each interface: its name, then eight counters of what came in and
// eight of what went out. Lines that are none are left out.
func parseInterfaces(text string) map[string]InterfaceStats {
	all := map[string]InterfaceStats{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		name = strings.TrimSpace(name)
		fields := strings.Fields(rest)
		if !ok || len(fields) < 12 || name == "lo" {
			continue
		}
		var n [12]uint64
		for i := range n {
			n[i], _ = strconv.ParseUint(fields[i], 10, 64)
		}
		all[name] = InterfaceStats{
			RxBytes: n[0], RxPackets: n[1], RxErrors: n[2], RxDropped: n[3],
			TxBytes: n[8], TxPackets: n[9], TxErrors: n[10], TxDropped: n[11],
		}
	}
	return all
}
