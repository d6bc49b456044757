package libpod

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/lookup"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
	"github.com/manager-project/manager/pkg/undo"
)

// start carries a container through one start. Each step fills in what later ones need.
type start struct {
	*locked
	facts spec.Facts
	user  lookup.User
	spec  *specs.Spec
	// again says that the restart policy starts it, and nobody by hand; predecessor leads to the monitor of the start
	// before then, if that has it done (see monitor.TellSuccessor), and is the caller's.
	again       bool
	predecessor *os.File
	session     *monitor.Session
	live        monitor.Live
	// attached says that this process stays with the program.
	attached bool
	// window is the size of the caller's terminal, or nil.
	window *specs.Box
	// service is what a service manager gave for this start.
	service service
	// extra are the files that the user's program inherits; the start owns them.
	extra []*os.File
	// log is what the monitor is told of the log, stdio the streams of ours that the container gets.
	log   monitor.LogConfig
	stdio [3]*os.File
	// trees are opened sources of mounts, by destination; the start owns them.
	trees map[string]*os.File
	// images are what the processes are restored from, nil for a start of the program.
	images *oci.RestoreRequest
	// portHolders are who has ports of the host that this process cannot look into, or nil.
	portHolders PortHolders
}

// step is one step of a start. undo may be nil; it runs when a later step fails.
type step struct {
	name string
	do   func(context.Context) error
	undo func(context.Context) error
}

// steps is the way of a start, in its order. The state says "mounted" from the first step to
// the end of clean-up: whoever finds that, and no process, undoes it.
func (s *start) steps() []step {
	undo := func(ctx context.Context) error { return s.undoStart(ctx) }
	return []step{
		{"start what it depends on", s.startDependencies, nil},
		{"note that a start begins", s.begin, undo},
		{"make the run directory", s.makeRunDir, nil},
		{"begin the network", s.beginNetwork, nil},
		{"check the ports", s.checkPorts, nil},
		{"mount the root filesystem", s.mountRootfs, nil},
		{"mount volumes", s.mountVolumes, nil},
		{"look up users", s.lookUpUser, nil},
		{"write files", s.writeFiles, nil},
		{"find namespaces", s.findNamespaces, nil},
		{"generate the spec", s.generate, nil},
		{"find the log", s.findLog, nil},
		{"launch monitor and init", s.launch, s.abort},
		{"set up the network", s.finishNetwork, nil},
		{"note that it runs", s.noteRunning, nil},
	}
}

// prepare runs all steps; afterwards the init waits before the user's program.
func (s *start) prepare(ctx context.Context) error {
	var back undo.Stack
	for _, st := range s.steps() {
		began := time.Now()
		if st.undo != nil {
			// Undoing is idempotent, so a step that fails half-way is undone like one that is done.
			back.Add(func() error { return st.undo(context.WithoutCancel(ctx)) })
		}
		if err := st.run(ctx); err != nil {
			return errors.Join(s.explain(err), back.Run())
		}
		logrus.WithFields(logrus.Fields{"container": s.row.Name, "took": time.Since(began)}).Debug(st.name)
	}
	back.Release()
	return nil
}

func (st *step) run(ctx context.Context) error {
	if err := fault.Check("start: " + st.name); err != nil {
		return err
	}
	return st.do(ctx)
}

// begin notes the start before anything is mounted.
func (s *start) begin(ctx context.Context) error {
	st := &s.row.State
	st.Generation++
	st.Mounted, st.Error, st.Cause, st.StoppedByUser = true, "", "", false
	if !s.again {
		if err := s.startByHand(); err != nil {
			return err
		}
	}
	st.CgroupPath = s.cgroupPath()
	if s.cfg.Limits.Split {
		var err error
		if st.CgroupPath, err = s.splitCgroup(); err != nil {
			return err
		}
	} else if st.Status == define.StatusCreating && st.Generation == 1 {
		return nil // the row says all that already
	}
	return s.save(ctx)
}

// makeRunDir makes an empty run directory, unless the network is being made in it.
func (c *locked) makeRunDir(context.Context) error {
	if c.network != nil {
		return nil
	}
	dir := c.rt.paths.runDir(c.row.ID)
	if err := removeAll(dir); err != nil {
		return err
	}
	if err := c.rt.filesToStart(); err != nil {
		return err
	}
	return mkdir(dir)
}

func (s *start) findLog(context.Context) (err error) {
	if s.log, err = s.logConfig(); err != nil {
		return err
	}
	if dir := s.logDir(); dir != "" {
		if err := mkdir(dir); err != nil {
			return err
		}
	}
	s.stdio, err = s.ownStdio()
	return err
}

func (s *start) launch(ctx context.Context) error {
	cfg := s.monitorConfig()
	probes, err := s.probes(cfg.Health, &s.facts, "")
	if err != nil {
		return err
	}
	q := oci.LaunchRequest{
		ID: s.row.ID, Bundle: s.rt.paths.runDir(s.row.ID), Spec: s.spec, Cgroup: s.row.State.CgroupPath,
		Monitor: cfg, Stdio: s.stdio, ExtraFiles: s.extra, Trees: s.trees, Probes: probes,
		Init: s.initInside(), InitReports: s.cfg.Process.Init && s.cfg.Process.InitPath == "",
	}
	var launched oci.Launched
	if s.images != nil {
		var rt oci.Checkpointer
		if rt, err = s.checkpointer("restore"); err != nil {
			return err
		}
		launched, err = rt.Restore(ctx, q, *s.images)
	} else {
		var rt oci.Runtime
		if rt, err = s.runtime(); err != nil {
			return err
		}
		launched, err = rt.Launch(ctx, q)
	}
	s.session, s.live, s.row.State.CgroupPath = launched.Session, launched.Live, first(launched.Cgroup, s.row.State.CgroupPath)
	if err != nil {
		// A container whose namespace was to be joined may have ended in this moment: that is the reason then.
		if lost := s.joinNamespaces(ctx); lost != nil {
			return lost
		}
	}
	return err
}

// initInside is the path of process 1 in the container, "" without --init.
func (s *start) initInside() string {
	if !s.cfg.Process.Init {
		return ""
	}
	return spec.InitInside
}

func (s *start) abort(ctx context.Context) error {
	if s.session == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, define.CleanupTimeout)
	defer cancel()
	return s.session.Abort(ctx)
}

// noteRunning stores the pid before the program can do anything: whoever looks from now on
// asks the kernel.
func (s *start) noteRunning(ctx context.Context) error {
	st := &s.row.State
	st.Status, st.PID, st.PIDStart, st.MonitorPID = define.StatusRunning, s.live.PID, s.live.StartTime, s.live.MonitorPID
	st.StartedAt, st.FinishedAt = time.Now(), time.Time{}
	st.ExitCode, st.Signal, st.OOMKilled = 0, 0, false
	if err := s.save(ctx); err != nil {
		return err
	}
	s.emit(eventlog.Init)
	return nil
}

// notices are what the user should know before the program begins.
func (s *start) notices(background bool) []Warning {
	all := s.unreadable()
	if background {
		all = append(all, s.rt.endsAtLogout()...)
	}
	return all
}

// unleash lets the init become the user's program. A program that is not there, or cannot be
// executed, is class ErrNoProgram or ErrNotExecutable; the start is taken back, and with --rm
// the container too.
func (s *start) unleash(ctx context.Context) error {
	fault.Point("start: release")
	_, err := s.session.Start(ctx)
	fault.Point("start: released")
	if err == nil {
		return nil
	}
	return s.giveUp(ctx, err)
}

// giveUp takes a start back whose init was let go and has ended, or was told to, for that reason.
func (s *start) giveUp(ctx context.Context, err error) error {
	var f *launch.Failure
	errors.As(err, &f)
	err = s.explain(err)
	done := context.WithoutCancel(ctx)
	_, _ = s.session.Wait(waitBriefly(done))
	_ = s.session.Done()
	record := monitor.ExitRecord{
		Generation: s.row.State.Generation, Code: exitCodeOf(err), Cause: monitor.CauseStartFailed, FinishedAt: time.Now(), Failure: f,
	}
	return errors.Join(err, s.settle(done, record))
}

// exitCodeOf is 126 or 127 for a program that could not be executed, else 125.
func exitCodeOf(err error) int {
	switch {
	case errors.Is(err, errdefs.ErrNoProgram):
		return define.ExitNotFound
	case errors.Is(err, errdefs.ErrNotExecutable):
		return define.ExitNotExecutable
	}
	return define.ExitManager
}

// Start starts a container that does not run. Attached, it returns when the program has
// ended or the user has detached.
func (r *Runtime) Start(ctx context.Context, id string, o StartOptions) (AttachResult, error) {
	var (
		run *running
		res AttachResult
		// attach says that the container runs already.
		attach bool
	)
	if o.Streams != nil {
		if _, err := monitor.ParseDetachKeys(o.Streams.DetachKeys); err != nil {
			return res, err
		}
	}
	err := r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if c.status().Live() {
			if c.current() == define.StatusPaused {
				return c.wrongState("start", "stopped")
			}
			attach = o.Streams != nil
			return nil // as Podman and Docker: starting what runs is no error
		}
		s := &start{locked: c, attached: o.Streams != nil, window: o.Streams.firstSize()}
		defer s.closeExtra()
		before := c.row.State.Generation
		if !o.dependency {
			if err := s.serve(nil); err != nil {
				return err
			}
		}
		if err := s.prepare(ctx); err != nil {
			if c.row.State.Generation == before {
				return err // it had not begun
			}
			return errors.Join(err, c.failStart(ctx, err))
		}
		if o.Warn != nil {
			for _, w := range s.notices(o.Streams == nil) {
				o.Warn(w)
			}
		}
		var err error
		run, err = s.begun(ctx, o.Streams)
		return err
	})
	switch {
	case err != nil:
		return res, err
	case attach:
		return r.Attach(ctx, id, *o.Streams)
	case run == nil:
		return res, nil
	}
	return r.follow(ctx, run)
}
