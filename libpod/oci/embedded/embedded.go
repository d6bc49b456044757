// Package embedded launches containers with the runtime that is part of manager: it
// compiles the OCI spec to a plan, makes the cgroup, and hands both to the monitor.
package embedded

import (
	"context"
	"errors"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/internal/version"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/libpod/oci/external"
	"github.com/manager-project/manager/libpod/oci/program"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/direct"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/undo"
)

// Name is the name of this runtime in configuration files and in inspect.
const Name = "manager-runtime"

// Runtime is the embedded runtime. It keeps nothing between calls but the open program and
// a monitor begun by Warm.
type Runtime struct {
	*program.Program
	oci.Cgroups
}

// New makes the runtime of the small program.
func New(p *program.Program) *Runtime { return &Runtime{Program: p} }

// Describe implements oci.Runtime.
func (r *Runtime) Describe(context.Context) (oci.Description, error) {
	return oci.Description{Name: Name, Package: "manager", Path: r.File().Name(), Version: version.Version}, nil
}

// Check implements oci.Runtime: it can do all there is.
func (r *Runtime) Check(context.Context, ...oci.Ability) error { return nil }

// Launch implements oci.Runtime.
func (r *Runtime) Launch(ctx context.Context, q oci.LaunchRequest) (oci.Launched, error) {
	var back undo.Stack
	fail := func(err error) (oci.Launched, error) {
		return oci.Launched{}, errors.Join(err, back.Run())
	}
	extra, gaps, err := libcontainer.FillGaps(q.ExtraFiles)
	if err != nil {
		return fail(err)
	}
	var req launch.Request
	limit := func() error { return nil }
	if q.Cgroup != "" {
		cg, err := r.MakeCgroup(q.Cgroup, libcontainer.RoomForInit(q.Spec.Linux.Resources))
		if err != nil {
			return fail(err)
		}
		limit = func() error { return libcontainer.Tighten(cg, q.Spec.Linux.Resources) }
		back.Add(cg.Remove)
		fault.Point("cgroup: made")
		files, err := cg.Open()
		if err != nil {
			return fail(err)
		}
		defer files.Close()
		req.Cgroup, req.CgroupTasks = files.Dir, files.Tasks
		q.Cgroup, q.Monitor.MemoryEvents, q.Monitor.Freezer = cg.Path(), cg.MemoryEvents(), cg.FreezerFile()
	}
	p, handles, err := compile.Container(q.Spec, compile.Options{
		ID: q.ID, Bundle: q.Bundle, CgroupPath: q.Cgroup, PreserveFDs: len(q.ExtraFiles), MakeCwd: true, Trees: q.Trees,
		Reaper: q.Init, ReaperReports: q.InitReports, BindDevices: rootless.Active(),
	})
	if err != nil {
		return fail(err)
	}
	defer handles.Close()
	p.Process.CloseFDs = gaps
	// A session of its own, though it has a monitor: CRIU cannot dump one whose leader is outside. One that has the
	// caller's streams has his session too, for the terminal among them.
	req.Program, req.Stdio, req.ExtraFiles, req.Detached = r.File(), q.Stdio, extra, q.Stdio[0] == nil
	handles.Apply(&req)
	q.Monitor.Poststart, q.Monitor.HookState = handles.Poststart, handles.State
	for i := range q.Probes {
		if err := compileProbe(&q.Probes[i]); err != nil {
			return fail(err)
		}
	}
	if req.Plan, err = p.Encode(); err != nil {
		return fail(err)
	}
	if direct.CanBuild(&req, p) && direct.Build(&req, p) == nil {
		defer func() { _ = req.Image.File.Close() }()
	}
	if err := owePoststop(q.Bundle, handles); err != nil {
		return fail(err)
	}
	b, err := r.Begin()
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
		err = outside(q.Spec, q.ID, live.PID)
	}
	if err == nil {
		err = limit()
	}
	if err != nil {
		return fail(errors.Join(err, s.Abort(context.WithoutCancel(ctx))))
	}
	return oci.Launched{Session: s, Live: live, Cgroup: q.Cgroup}, nil
}

// Destroy implements oci.Runtime.
func (r *Runtime) Destroy(ctx context.Context, l oci.Leftover) error {
	if !external.Left(l) {
		return r.RemoveCgroup(l.Cgroup)
	}
	// It was restored, or is half restored: then there may be a mount, too.
	program, err := r.commandLine()
	if err != nil {
		return err
	}
	return program.Destroy(ctx, l)
}
