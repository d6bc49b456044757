// Package embedded launches containers with the runtime that is part of manager: it
// compiles the OCI spec to a plan, makes the cgroup, and hands both to the monitor.
package embedded

import (
	"context"
	"errors"
	"os"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/undo"
)

// Name is the name of this runtime in configuration files and in inspect.
const Name = "manager-runtime"

// Runtime is the embedded runtime. It keeps nothing between calls but the open program and
// a monitor begun by Warm.
type Runtime struct {
	program *os.File
	warm    warm
}

// New opens manager-monitor: an installed one, or the one carried inside, which is unpacked
// into dir first.
func New(dir string) (*Runtime, error) {
	f, err := openProgram(dir)
	if err != nil {
		return nil, err
	}
	return &Runtime{program: f}, nil
}

// InitProgram implements oci.Runtime: the small program is an init too.
func (r *Runtime) InitProgram() string { return r.program.Name() }

// Launch implements oci.Runtime.
func (r *Runtime) Launch(ctx context.Context, q oci.LaunchRequest) (*monitor.Session, monitor.Live, error) {
	var back undo.Stack
	fail := func(err error) (*monitor.Session, monitor.Live, error) {
		return nil, monitor.Live{}, errors.Join(err, back.Run())
	}
	extra, gaps, err := fillGaps(q.ExtraFiles)
	if err != nil {
		return fail(err)
	}
	p, handles, err := compile.Container(q.Spec, compile.Options{
		ID: q.ID, Bundle: q.Bundle, CgroupPath: q.Cgroup, PreserveFDs: len(q.ExtraFiles), MakeCwd: true, Reaper: q.Init, Trees: q.Trees,
	})
	if err != nil {
		return fail(err)
	}
	defer handles.Close()
	p.Process.CloseFDs = gaps
	req := launch.Request{Program: r.program, ExtraFiles: extra}
	handles.Apply(&req)
	limit := func() error { return nil }
	if q.Cgroup != "" {
		cg, err := cgroups.Create(cgroups.Config{Path: q.Cgroup, Resources: roomForInit(q.Spec.Linux.Resources)})
		if err != nil {
			return fail(err)
		}
		limit = func() error { return tighten(cg, q.Spec.Linux.Resources) }
		back.Add(cg.Remove)
		fault.Point("cgroup: made")
		files, err := cg.Open()
		if err != nil {
			return fail(err)
		}
		defer files.Close()
		req.Cgroup, req.CgroupTasks = files.Dir, files.Tasks
		q.Monitor.MemoryEvents = cg.MemoryEvents()
	}
	if req.Plan, err = p.Encode(); err != nil {
		return fail(err)
	}
	b, err := r.begun()
	if err != nil {
		return fail(err)
	}
	s, err := b.HandOver(ctx, monitor.SpawnOptions{Config: q.Monitor, Launch: req})
	if err != nil {
		return fail(err)
	}
	fault.Point("monitor: spawned")
	live, err := s.Ready(ctx)
	if err == nil {
		err = limit()
	}
	if err != nil {
		return fail(errors.Join(err, s.Abort(context.WithoutCancel(ctx))))
	}
	return s, live, nil
}

// Destroy implements oci.Runtime.
func (r *Runtime) Destroy(_ context.Context, path string) error {
	cg, err := load(path)
	if err != nil || cg == nil {
		return err
	}
	if err := cg.KillAll(); err != nil {
		return err
	}
	fault.Point("cgroup: killed")
	err = cg.Remove()
	fault.Point("cgroup: removed")
	return err
}

// RemoveEmpty implements oci.Tidier.
func (r *Runtime) RemoveEmpty(path string) { cgroups.RemoveEmpty(path) }

// Freeze implements oci.Freezer.
func (r *Runtime) Freeze(_ context.Context, path string) error {
	cg, err := cgroups.Load(path)
	if err != nil {
		return err
	}
	return cg.Freeze()
}

// Thaw implements oci.Freezer.
func (r *Runtime) Thaw(_ context.Context, path string) error {
	cg, err := cgroups.Load(path)
	if err != nil {
		return err
	}
	return cg.Thaw()
}

// PIDs implements oci.Lister.
func (r *Runtime) PIDs(_ context.Context, path string) ([]int, error) {
	cg, err := cgroups.Load(path)
	if err != nil {
		return nil, err
	}
	return cg.PIDs()
}

// KillAll implements oci.Lister.
func (r *Runtime) KillAll(_ context.Context, path string) error {
	cg, err := load(path)
	if err != nil || cg == nil {
		return err
	}
	return cg.KillAll()
}

// load is Load, with nil for a cgroup that is not there.
func load(path string) (*cgroups.Cgroup, error) {
	cg, err := cgroups.Load(path)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return cg, err
}
