package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
)

// Exec runs another command in a running container. In the foreground it takes the caller's
// own streams and leaves no record; detached it has a small monitor of its own.
func (r *Runtime) Exec(ctx context.Context, id string, o ExecOptions) (ExecReport, error) {
	c, err := r.load(ctx, id)
	if err != nil {
		return ExecReport{}, err
	}
	if status := c.current(); status != define.StatusRunning {
		c.row.State.Status = status
		return ExecReport{}, c.wrongState("exec in", "running")
	}
	pidfd, err := openProcess(c.row.State.PID, c.row.State.PIDStart)
	if err != nil {
		return ExecReport{}, err
	}
	if pidfd == nil {
		c.row.State.Status = define.StatusExited
		return ExecReport{}, c.wrongState("exec in", "running")
	}
	defer func() { _ = pidfd.Close() }()
	req, err := c.execRequest(o, pidfd)
	if err != nil {
		return ExecReport{}, c.whileEnding("exec in", err)
	}
	defer closeFiles(req.ExtraFiles)
	rt, err := c.runtime()
	if err != nil {
		return ExecReport{}, err
	}
	if o.Detach {
		return c.execDetached(ctx, rt, req)
	}
	return c.execAttached(ctx, rt, req, o)
}

// execAttached runs the command on the caller's streams and waits for it.
func (c *container) execAttached(ctx context.Context, rt oci.Runtime, req oci.ExecRequest, o ExecOptions) (ExecReport, error) {
	relayed, err := c.execStdio(&req, o)
	if err != nil {
		return ExecReport{}, err
	}
	if o.TTY {
		req.Process.ConsoleSize = o.Streams.firstSize()
	}
	fault.Point("exec: launch")
	p, err := rt.Exec(ctx, req)
	fault.Point("exec: launched")
	if err != nil {
		relayed.close()
		err = c.whileEnding("exec in", c.explainExec(err))
		return ExecReport{ExitCode: exitCodeOf(err)}, err
	}
	relayed.begin()
	session := define.NewID()
	c.rt.emit(with(c.event(eventlog.Exec), "execID", session))
	if o.Streams != nil && o.Streams.Signals != nil {
		go forward(o.Streams.Signals, p)
	}
	detached := make(chan struct{})
	done := relayed.finish
	if o.TTY {
		if done, err = pump(p.Console(), o, detached); err != nil {
			return ExecReport{}, err
		}
	}
	type ended struct {
		code int
		err  error
	}
	end := make(chan ended, 1)
	go func() {
		code, err := p.Wait()
		end <- ended{code, err}
	}()
	select {
	case e := <-end:
		done()
		died := with(c.event(eventlog.ExecDied), "execID", session)
		died.ContainerExitCode = &e.code
		c.rt.emit(died)
		return ExecReport{ExitCode: e.code}, e.err
	case <-detached:
		return ExecReport{Detached: true}, nil
	case <-ctx.Done():
		return ExecReport{}, ctx.Err()
	}
}

// execStdio gives the command the caller's own streams, or pipes to them where SELinux would take those away.
func (c *container) execStdio(req *oci.ExecRequest, o ExecOptions) (*relayed, error) {
	s := o.Streams
	if s == nil || o.TTY {
		return &relayed{}, nil
	}
	if label := c.cfg.Security.ProcessLabel; label != "" {
		var in io.Reader
		if o.Interactive && s.Stdin != nil {
			in = s.Stdin
		}
		r, err := newRelayed(c.rt.paths.runDir(c.row.ID), c.cfg.Security.MountLabel, in, s.Stdout, s.Stderr)
		req.Stdio = r.theirs
		return r, err
	}
	req.Stdio = [3]*os.File{nil, fileOf(s.Stdout), fileOf(s.Stderr)}
	if o.Interactive {
		req.Stdio[0] = s.Stdin
	}
	return &relayed{}, nil
}

func forward(signals <-chan os.Signal, p oci.Process) {
	for sig := range signals {
		_ = p.Signal(sig) // a process that has ended takes none
	}
}

// fileOf returns a stream as a file, so that the command writes to it itself.
func fileOf(w any) *os.File {
	f, _ := w.(*os.File)
	return f
}

// execDetached starts the command below a monitor that keeps its exit code.
func (c *container) execDetached(ctx context.Context, rt oci.Runtime, req oci.ExecRequest) (ExecReport, error) {
	session := state.ExecSession{
		ID: define.NewID(), Container: c.row.ID, Command: req.Process.Args, Created: time.Now(),
	}
	session.RunDir = filepath.Join(c.rt.paths.runDir(c.row.ID), "exec", session.ID)
	if err := mkdir(session.RunDir); err != nil {
		return ExecReport{}, err
	}
	if err := c.rt.state.AddExec(ctx, session); err != nil {
		return ExecReport{}, errors.Join(err, removeAll(session.RunDir))
	}
	fault.Point("exec: launch")
	err := rt.ExecDetached(ctx, req, monitor.Config{
		ID: session.ID, RunDir: session.RunDir, Generation: 1, Terminal: req.Process.Terminal,
		PipeLabel: c.pipeLabel(),
		Log:       monitor.LogConfig{Driver: monitor.LogNone},
		Events:    c.monitorEvents(with(c.event(""), "execID", session.ID), eventlog.Exec, eventlog.ExecDied),
	})
	if err != nil {
		err = c.whileEnding("exec in", c.explainExec(err))
		done := context.WithoutCancel(ctx)
		err = errors.Join(err, c.rt.state.RemoveExec(done, session.ID), removeAll(session.RunDir))
		_ = os.Remove(filepath.Dir(session.RunDir)) // stays when there are other sessions
		return ExecReport{ExitCode: exitCodeOf(err)}, err
	}
	fault.Point("exec: launched")
	return ExecReport{SessionID: session.ID, Detached: true}, nil
}

// removeExecs forgets a container's detached commands; their processes died with its init.
func (c *locked) removeExecs(ctx context.Context) error {
	execs, err := c.rt.state.Execs(ctx, c.row.ID)
	if err != nil {
		return err
	}
	for _, e := range execs {
		if err := c.rt.state.RemoveExec(ctx, e.ID); err != nil {
			return err
		}
	}
	return nil
}

// execIDs are the detached commands that still run.
func (c *container) execIDs(ctx context.Context) ([]string, error) {
	execs, err := c.rt.state.Execs(ctx, c.row.ID)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, e := range execs {
		if held, err := monitor.Alive(e.RunDir); err == nil && held {
			ids = append(ids, e.ID)
		}
	}
	return ids, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // a nil one says ErrInvalid
	}
}

// whileEnding replaces an error by the plain reason when the container ended meanwhile; op wants it running.
func (c *container) whileEnding(op string, err error) error {
	if !c.ending() {
		return err
	}
	if c.current().Live() && outlives(c.row.State.PID, time.Second) {
		return c.fail(op, errdefs.ErrState, errors.New("the first thread of its process has ended, by which others find its namespaces"), "")
	}
	c.row.State.Status = define.StatusExited
	return c.wrongState(op, "running")
}

// explainExec says why a command could not be started in the container.
func (c *container) explainExec(err error) error {
	return c.blameSELinux(explainLaunch("exec in", c.row.Name, err), err, func(path string) string {
		return labelInside(fmt.Sprintf("/proc/%d/root", c.row.State.PID), path)
	})
}

// explain says why the container could not be started, or restored.
func (s *start) explain(err error) error {
	if s.images != nil {
		return explainLaunch("restore", s.row.Name, err)
	}
	return s.blameSELinux(explainLaunch("start", s.row.Name, err), err, s.labelOf)
}

var errNoTTY = errdefs.New(errdefs.ErrUnavailable, "terminal", "", "the container gave none")
