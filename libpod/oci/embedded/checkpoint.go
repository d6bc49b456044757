package embedded

import (
	"context"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/libpod/oci/external"
	"github.com/manager-project/manager/pkg/libcontainer"
)

// Checkpoint implements oci.Checkpointer.
func (r *Runtime) Checkpoint(ctx context.Context, q oci.CheckpointRequest) error {
	t := libcontainer.Tree{PID: q.PID, Spec: q.Spec, Bundle: q.Bundle, Rootfs: q.Spec.Root.Path}
	if q.Cgroup != "" {
		var err error
		if t.Cgroup, err = oci.Cgroup(q.Cgroup); err != nil {
			return err
		}
	}
	o := libcontainer.CheckpointOptions{LeaveRunning: q.LeaveRunning, PreDump: q.PreDump, ParentPath: q.Parent}
	o.ImagePath, o.WorkPath, o.TCPEstablished, o.FileLocks = q.Images, q.Work, q.TCPEstablished, q.FileLocks
	return libcontainer.Dump(ctx, t, o)
}

// Restore implements oci.Checkpointer. CRIU makes the processes, and needs a program around it that knows cgroups
// and mounts, which the monitor is not: so the runtime's own command line does it below the monitor, as any
// external runtime. Afterwards nothing differs from a container that was launched.
func (r *Runtime) Restore(ctx context.Context, q oci.LaunchRequest, from oci.RestoreRequest) (oci.Launched, error) {
	program, err := r.commandLine()
	if err != nil {
		return oci.Launched{}, err
	}
	return program.Restore(ctx, q, from)
}

// commandLine is this runtime as a program.
func (r *Runtime) commandLine() (*external.Runtime, error) {
	path, err := r.RuntimeProgram()
	if err != nil {
		return nil, err
	}
	return external.New(r.Program, external.Options{Name: Name, Path: path}), nil
}
