package external

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/adopt"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/ocilog"
)

// SetLimits implements oci.Limiter. The cgroup is written by us, whole or not at all, which the runtimes do not
// promise; then the runtime hears of it, for its own record. runc writes all that it remembers from
// the start at that, and knows nothing of the rates of devices: so what the cgroup said before is
// written once more.
func (r *Runtime) SetLimits(ctx context.Context, q oci.LimitRequest) (restore func() error, err error) {
	if err := r.runnable(); err != nil {
		return nil, err
	}
	cg, err := oci.Cgroup(q.Cgroup)
	if err != nil {
		return nil, err
	}
	all := whole(q.All)
	was, err := cg.Remember(all)
	if err != nil {
		return nil, err
	}
	back, err := r.Cgroups.SetLimits(ctx, q)
	if err != nil {
		return nil, err
	}
	restore = func() error { return errors.Join(back(), was()) }
	is, err := cg.Remember(all)
	if err == nil {
		err = errors.Join(r.tell(ctx, &q), is())
	}
	if err != nil {
		return nil, errors.Join(err, restore())
	}
	return restore, nil
}

// whole are a container's limits, and a value for each of those that a runtime may write and that it has not,
// which is to say that its control file counts.
func whole(r *specs.LinuxResources) *specs.LinuxResources {
	all := *r
	all.Devices = nil // access stays as the start has set it
	var memory specs.LinuxMemory
	var cpu specs.LinuxCPU
	if all.Memory != nil {
		memory = *all.Memory
	}
	if all.CPU != nil {
		cpu = *all.CPU
	}
	none, shares := int64(-1), uint64(1024)
	for _, n := range []**int64{&memory.Limit, &memory.Reservation, &memory.Swap, &cpu.Quota} {
		if *n == nil {
			*n = &none
		}
	}
	if *memory.Limit < 0 {
		memory.Swap = &none
	}
	if cpu.Shares == nil {
		cpu.Shares = &shares
	}
	if all.Pids == nil {
		all.Pids = &specs.LinuxPids{Limit: &none}
	}
	all.Memory, all.CPU = &memory, &cpu
	return &all
}

// tell has the runtime write the change too. It does not hear of limits that are lifted: crun would write the
// number, which is not always the kernel's word for none.
func (r *Runtime) tell(ctx context.Context, q *oci.LimitRequest) error {
	known := *q.Change
	if known.Memory != nil {
		memory := *known.Memory
		memory.CheckBeforeUpdate = nil // ours has been made
		for _, n := range []**int64{&memory.Limit, &memory.Reservation, &memory.Swap} {
			leaveOut(n)
		}
		known.Memory = &memory
	}
	if known.CPU != nil {
		cpu := *known.CPU
		leaveOut(&cpu.Quota)
		known.CPU = &cpu
	}
	if known.Pids != nil && *known.Pids.Limit < 0 {
		known.Pids = nil
	}
	if known.BlockIO != nil {
		known.BlockIO = &specs.LinuxBlockIO{Weight: known.BlockIO.Weight}
	}
	raw, err := json.Marshal(&known)
	if err != nil {
		return err
	}
	file := filepath.Join(q.Bundle, "resources.json")
	if err := atomicfile.Write(file, raw, 0o600, atomicfile.Volatile); err != nil {
		return err
	}
	defer func() { _ = os.Remove(file) }()
	fault.Point("runtime: update")
	err = adopt.Run(ctx, append(r.base(q.Bundle, false), "update", "--resources", file, q.ID), environment(), logFile(q.Bundle))
	var failed *adopt.Error
	if errors.As(err, &failed) {
		return ocilog.Explain(failed.Error(), r.o.Name, "")
	}
	if err != nil {
		return &launch.Failure{Stage: ocilog.StageRuntime, Path: r.o.Name, Detail: err.Error()}
	}
	return nil
}

// leaveOut takes a limit that is lifted out.
func leaveOut(n **int64) {
	if *n != nil && **n < 0 {
		*n = nil
	}
}
