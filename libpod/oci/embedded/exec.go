package embedded

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

func (r *Runtime) compileExec(q oci.ExecRequest) (*libcontainer.Joining, error) {
	j := libcontainer.Join{
		PID: q.PID, PIDFD: q.PIDFD, Spec: q.Spec, Process: q.Process, Stdio: q.Stdio, ExtraFiles: q.ExtraFiles, Program: r.File(),
	}
	if q.Cgroup != "" {
		var err error
		if j.Cgroup, err = oci.Cgroup(q.Cgroup); err != nil {
			return nil, err
		}
	}
	return j.Compile()
}

// compileProbe makes the plan of a process that is started when there is a container to join.
func compileProbe(p *oci.Probe) (err error) {
	p.To.Plan, err = libcontainer.CompileProbe(p.Spec, p.Process)
	return err
}

// Exec implements oci.Runtime.
func (r *Runtime) Exec(ctx context.Context, q oci.ExecRequest) (oci.Process, error) {
	j, err := r.compileExec(q)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	child, err := j.Start(ctx)
	if err != nil {
		return nil, err
	}
	console, err := child.Ready(ctx)
	if err == nil {
		err = child.Exec()
	}
	if err != nil {
		if console != nil {
			_ = console.Close()
		}
		return nil, errors.Join(err, child.Close())
	}
	return &process{child: child, console: console}, nil
}

// ExecDetached implements oci.Runtime.
func (r *Runtime) ExecDetached(ctx context.Context, q oci.ExecRequest, c monitor.Config) error {
	j, err := r.compileExec(q)
	if err != nil {
		return err
	}
	defer j.Close()
	req, err := j.Encode()
	if err != nil {
		return err
	}
	s, err := monitor.Spawn(ctx, monitor.SpawnOptions{Config: c, Launch: req})
	if err != nil {
		return err
	}
	if _, err = s.Ready(ctx); err == nil {
		_, err = s.Start(ctx)
	}
	if err != nil {
		return errors.Join(err, s.Abort(context.WithoutCancel(ctx)))
	}
	s.Release()
	return nil
}

// process is a child of this process inside a container.
type process struct {
	child   *launch.Child
	console *os.File
}

func (p *process) Console() *os.File { return p.console }
func (p *process) PID() int          { return p.child.PID() }

func (p *process) Signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return os.ErrInvalid
	}
	return p.child.Signal(s)
}

func (p *process) Wait() (int, error) {
	status, err := p.child.Wait()
	return status.Code, errors.Join(err, p.child.Close())
}
