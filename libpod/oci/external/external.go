// Package external launches containers with a program that has runc's command line: crun, runc and
// their relatives.
//
// The program makes the container and leaves; our monitor becomes the parent of its init and does
// everything that it does for the embedded runtime. What this package adds is the decisions: whole
// commands, handed to the monitor, and the specification in the bundle.
//
//	Launch    cgroup made, config.json written    monitor: RUNTIME create … ID, adopts the init
//	start     (the monitor's session)             monitor: RUNTIME start ID
//	Exec      process.json written                this process: RUNTIME exec --detach …, adopts it
//	Checkpoint                                    this process: RUNTIME checkpoint … ID
//	Restore   as Launch                           monitor: RUNTIME restore --detach … ID, adopts the init
//	Destroy   RUNTIME delete --force ID, then the cgroup is removed
//
// Stop, kill, pause and the list of processes need no runtime: the kernel is asked through the
// process's descriptor and the cgroup, which we made. The runtime keeps its state in a folder of
// the bundle (--root), so nothing of a container outlives its run directory and no other user of the
// same program sees it.
package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/moby/sys/mountinfo"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/libpod/oci/program"
	"github.com/manager-project/manager/pkg/adopt"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/undo"
)

// ociVersion is what the specification claims to follow. What later versions added is ignored by
// programs that do not know it, but crun before 1.9 refuses a later number.
const ociVersion = "1.0.2"

// Options say which program it is.
type Options struct {
	// Name is how the user calls it, for messages.
	Name string
	// Path is the absolute program. Whether it is there shows when it is called.
	Path string
	// Flags stand before the command, each with its dashes.
	Flags []string
	// NoCgroups says that it knows --cgroup-manager=disabled.
	NoCgroups bool
}

// Runtime is one external program. It keeps nothing between calls.
type Runtime struct {
	*program.Program
	oci.Cgroups
	o Options
}

// New makes a runtime of a program; p is the monitor's.
func New(p *program.Program, o Options) *Runtime { return &Runtime{Program: p, o: o} }

// Launch implements oci.Runtime.
func (r *Runtime) Launch(ctx context.Context, q oci.LaunchRequest) (oci.Launched, error) {
	return r.launch(ctx, q, r.create(&q))
}

// launch has the monitor run the commands that make the process.
func (r *Runtime) launch(ctx context.Context, q oci.LaunchRequest, commands *monitor.External) (oci.Launched, error) {
	var back undo.Stack
	fail := func(err error) (oci.Launched, error) {
		return oci.Launched{}, errors.Join(err, back.Run())
	}
	if err := r.runnable(); err != nil {
		return fail(err)
	}
	if err := passable(q.ExtraFiles); err != nil {
		return fail(err)
	}
	if q.Cgroup == "" {
		if err := r.Check(ctx, oci.NoCgroups); err != nil {
			return fail(err)
		}
	}
	back.Add(func() error {
		return r.Destroy(context.WithoutCancel(ctx), oci.Leftover{ID: q.ID, Bundle: q.Bundle, Cgroup: q.Cgroup})
	})
	if q.Cgroup != "" {
		// Without limits, which are the runtime's to set: but known to us, and to its parent, from now on. To
		// the runtime also a scope is a directory like others.
		cg, err := r.MakeCgroup(q.Cgroup, nil)
		if err != nil {
			return fail(err)
		}
		fault.Point("cgroup: made")
		q.Cgroup, q.Monitor.MemoryEvents, q.Monitor.Freezer = cg.Path(), cg.MemoryEvents(), cg.FreezerFile()
	}
	if err := attachTrees(&q); err != nil {
		return fail(err)
	}
	if err := writeSpec(&q); err != nil {
		return fail(err)
	}
	if _, err := r.PrepareProbes(oci.ProbeRequest{ID: q.ID, Bundle: q.Bundle, Cgroup: q.Cgroup, Probes: q.Probes}); err != nil {
		return fail(err)
	}
	b, err := r.Begin()
	if err != nil {
		return fail(err)
	}
	s, err := b.HandOver(ctx, monitor.SpawnOptions{
		Config: q.Monitor, Launch: launch.Request{Program: r.File(), Stdio: q.Stdio, ExtraFiles: q.ExtraFiles}, External: commands,
	})
	if err != nil {
		return fail(err)
	}
	fault.Point("monitor: spawned")
	live, err := s.Ready(ctx)
	if err != nil {
		return fail(errors.Join(refine(err, q.Spec.Root.Path), s.Abort(context.WithoutCancel(ctx))))
	}
	return oci.Launched{Session: s, Live: live, Cgroup: q.Cgroup}, nil
}

// writeSpec writes config.json, and makes the folder of the runtime's state.
func writeSpec(q *oci.LaunchRequest) error {
	s := *q.Spec
	s.Version = ociVersion
	if s.Linux != nil {
		l := *s.Linux
		l.CgroupsPath = q.Cgroup
		s.Linux = &l
	}
	s.Process = adapt(s.Process)
	if q.Init != "" {
		s.Process.Args = append(initArgs(q), s.Process.Args...)
	}
	raw, err := json.Marshal(&s)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(q.Bundle, "config.json"), raw, 0o600, atomicfile.Volatile); err != nil {
		return err
	}
	if err := os.Mkdir(stateRoot(q.Bundle), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// initArgs are the container's init and its options. Our own reports on the descriptor after those of the program.
func initArgs(q *oci.LaunchRequest) []string {
	argv := []string{q.Init}
	if q.InitReports {
		argv = append(argv, launch.ReaperReport+strconv.Itoa(3+len(q.ExtraFiles)))
	}
	return append(argv, "--")
}

// passable refuses descriptors with gaps: these programs pass on all from 3 to a number.
func passable(files []*os.File) error {
	for i, f := range files {
		if f == nil {
			return errdefs.Unsupported("--preserve-fd", "descriptors with gaps (%d is not passed) are not possible with this runtime", i+3).
				WithHint("pass them without gaps, or leave --runtime out")
		}
	}
	return nil
}

// Destroy implements oci.Runtime. A runtime that fails, or is not installed any more, must not keep a
// container from being removed: the kernel does without it. What is then missing are its poststop hooks.
func (r *Runtime) Destroy(ctx context.Context, l oci.Leftover) error {
	if Left(l) {
		argv := append(r.base(l.Bundle, l.Cgroup == ""), "delete", "--force", l.ID)
		fault.Point("runtime: delete")
		if err := adopt.Run(ctx, argv, environment(), logFile(l.Bundle)); err != nil {
			logrus.WithField("container", l.ID).Warnf("runtime %s: delete: %v", r.o.Name, err)
		}
		fault.Point("runtime: deleted")
		// A restore that was killed has the root filesystem mounted there, and this folder is about to be removed.
		if err := detachBelow(stateRoot(l.Bundle)); err != nil {
			return err
		}
	}
	return r.RemoveCgroup(l.Cgroup)
}

// detachBelow takes away what is mounted in a folder.
func detachBelow(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EINVAL && err != unix.ENOENT {
			return &os.PathError{Op: "unmount", Path: m.Mountpoint, Err: err}
		}
	}
	return nil
}

// Left reports whether a runtime's program has left state of a container.
func Left(l oci.Leftover) bool {
	_, err := os.Lstat(filepath.Join(stateRoot(l.Bundle), l.ID))
	return err == nil
}

// runnable says that the program is there.
func (r *Runtime) runnable() error {
	if executable(r.o.Path) {
		return nil
	}
	return &errdefs.Error{
		Op: "use", Kind: "runtime", Name: r.o.Name, Class: errdefs.ErrNotFound, Cause: fmt.Errorf("%s is not there or not executable", r.o.Path),
		Hint: "install it again, or make the container anew with another --runtime",
	}
}
