package embedded

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// joining is a compiled exec with what must stay open until it is started.
type joining struct {
	req   launch.Request
	close func()
}

func (r *Runtime) compileExec(q oci.ExecRequest) (*joining, error) {
	extra, gaps, err := fillGaps(q.ExtraFiles)
	if err != nil {
		return nil, err
	}
	p, handles, err := compile.Exec(q.Process, compile.ExecOptions{
		Seccomp: q.Spec.Linux.Seccomp, Personality: q.Spec.Linux.Personality, PreserveFDs: len(q.ExtraFiles),
	})
	if err != nil {
		return nil, err
	}
	defer handles.Close()
	p.Process.CloseFDs = gaps
	j := &joining{close: func() {}}
	j.req = launch.Request{
		Program: r.File(), Stdio: q.Stdio, ExtraFiles: extra,
		Join: &launch.JoinTarget{PIDFD: q.PIDFD},
	}
	if j.req.Join.Flags, err = differing(q.PID); err != nil {
		return nil, err
	}
	if q.Cgroup != "" {
		cg, err := cgroups.Load(q.Cgroup)
		if err != nil {
			return nil, err
		}
		files, err := cg.Open()
		if err != nil {
			return nil, err
		}
		j.req.Cgroup, j.req.CgroupTasks, j.close = files.Dir, files.Tasks, files.Close
	}
	if j.req.Plan, err = p.Encode(); err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

// Exec implements oci.Runtime.
func (r *Runtime) Exec(ctx context.Context, q oci.ExecRequest) (oci.Process, error) {
	j, err := r.compileExec(q)
	if err != nil {
		return nil, err
	}
	defer j.close()
	child, err := launch.Start(ctx, j.req)
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
	defer j.close()
	s, err := monitor.Spawn(ctx, monitor.SpawnOptions{Config: c, Launch: j.req})
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
