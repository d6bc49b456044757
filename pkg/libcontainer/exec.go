package libcontainer

import (
	"context"
	"errors"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/undo"
)

// ExecConfig says what to run in a container.
type ExecConfig struct {
	// Process is what to run, complete: nothing is taken from the container's own process.
	Process *specs.Process
	Attachment
	// Cgroups are existing cgroups below the container's, "PATH" or "CONTROLLER:PATH"; none is the container's own.
	Cgroups []string
	// IgnorePaused allows a paused container: the process then waits until it is resumed.
	IgnorePaused bool
}

// Exec starts a process in the container and returns when it is the user's program. Errors: ErrState,
// those of Create for the process, *launch.Failure. An error leaves nothing behind.
func (c *Container) Exec(ctx context.Context, cfg ExecConfig) (*Process, error) {
	status := c.Status()
	if status != Paused || !cfg.IgnorePaused {
		if err := allow(verbExec, c.ID(), status); err != nil {
			return nil, err
		}
	}
	e := &execution{container: c, ctx: ctx, cfg: &cfg}
	err := c.factory.runSteps("exec", []step{
		{"target", e.target},
		{"compile", e.compile},
		{"launch", e.launch},
		{"ready", e.ready},
		{"console", e.sendConsole},
		{"pidfd", e.sendPIDFD},
		{"pid file", e.pidFile},
		{"release", e.release},
	})
	if e.joining != nil {
		e.joining.Close()
	}
	if e.init != nil {
		_ = e.init.Close()
	}
	if err != nil {
		return nil, errors.Join(shortage(e.cgroup, err), e.back.Run())
	}
	return e.process, nil
}

// execution is an exec under way.
type execution struct {
	container *Container
	ctx       context.Context
	cfg       *ExecConfig
	init      *os.File // the init's pidfd
	spec      *specs.Spec
	cgroup    *cgroups.Cgroup
	joining   *Joining
	process   *Process
	back      undo.Stack
}

// target pins the container's init, so that a reused pid is never joined.
func (e *execution) target() (err error) {
	if e.init, err = e.container.record.open(); err != nil {
		return allow(verbExec, e.container.ID(), Stopped)
	}
	if e.spec, err = e.container.Config(); err != nil {
		return err
	}
	if e.container.record.Cgroup == "" {
		if len(e.cfg.Cgroups) > 0 {
			return errdefs.Unsupported("--cgroup", "the container has no cgroup")
		}
		return nil
	}
	e.cgroup, err = e.container.cgroup()
	if errors.Is(err, errdefs.ErrNotFound) && e.container.record.Rootless && len(e.cfg.Cgroups) == 0 {
		err = nil // it could not be made
	}
	return err
}

func (e *execution) compile() (err error) {
	process := *e.cfg.Process
	process.Env = e.cfg.listenEnv(process.Env)
	if e.cfg.ConsoleSocket != "" && !process.Terminal {
		return errdefs.Invalid("--console-socket", e.cfg.ConsoleSocket, "the process has no terminal")
	}
	q := Join{
		PID: e.container.record.PID, PIDFD: e.init, Spec: e.spec, Process: &process, Cgroup: e.cgroup, Places: e.cfg.Cgroups,
		State: e.container.state(), Keyring: e.container.record.Keyring, Stdio: e.cfg.Stdio, ExtraFiles: e.cfg.ExtraFiles, Program: e.container.factory.Program,
	}
	e.joining, err = q.Compile()
	return err
}

func (e *execution) launch() error {
	e.joining.Detached = true
	child, err := e.joining.Start(e.ctx)
	if e.cgroup != nil && len(e.cfg.Cgroups) == 0 && (errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EOPNOTSUPP)) {
		// The container has passed controllers down: no process may be at its top then.
		if err = e.joining.beside(e.cgroup, e.container.record.PID); err == nil {
			child, err = e.joining.Start(e.ctx)
		}
	}
	if err != nil {
		return err
	}
	e.process = &Process{child: child, Warnings: e.joining.Warnings}
	e.back.Add(func() error {
		_ = child.Signal(unix.SIGKILL)
		_, _ = child.Wait()
		return e.process.Close()
	})
	return nil
}

func (e *execution) ready() (err error) {
	e.process.console, err = e.process.child.Ready(e.ctx)
	return err
}

func (e *execution) sendConsole() error {
	if e.cfg.ConsoleSocket == "" {
		return nil
	}
	if err := sendFile(e.cfg.ConsoleSocket, e.process.console, "console"); err != nil {
		return err
	}
	err := e.process.console.Close()
	e.process.console = nil
	return err
}

func (e *execution) sendPIDFD() error {
	if e.cfg.PIDFDSocket == "" {
		return nil
	}
	return sendFile(e.cfg.PIDFDSocket, e.process.child.PIDFD(), "pidfd")
}

func (e *execution) pidFile() error {
	if err := writePIDFile(e.cfg.PIDFile, e.process.PID()); err != nil {
		return err
	}
	if path := e.cfg.PIDFile; path != "" {
		e.back.Add(func() error { return os.Remove(path) })
	}
	return nil
}

func (e *execution) release() error { return e.process.child.Exec() }
