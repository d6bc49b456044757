package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/adopt"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/ocilog"
)

// Exec implements oci.Runtime. The runtime makes the process and leaves it to this one, its parent
// from then on: so its exit code is a fact, and a runtime that fails is told from a program that does.
func (r *Runtime) Exec(ctx context.Context, q oci.ExecRequest) (oci.Process, error) {
	if err := r.ready(&q); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(q.Bundle, "exec-")
	if err != nil {
		return nil, err
	}
	// What is in it is of no use once the process runs; a killed command's goes with the bundle.
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := adopt.Command{
		Env: environment(), Stdio: q.Stdio, ExtraFiles: q.ExtraFiles,
		PIDFile: filepath.Join(dir, "runtime.pid"), Log: filepath.Join(dir, "runtime.log"),
	}
	console := ""
	if q.Process.Terminal {
		if cmd.Console, err = adopt.ListenConsole(dir); err != nil {
			return nil, err
		}
		defer func() { _ = cmd.Console.Close() }()
		console = cmd.Console.Path()
	}
	if err := writeProcess(dir, &q); err != nil {
		return nil, err
	}
	cmd.Argv = r.exec(&q, dir, console)
	said, err := newOverheard(&cmd)
	if err != nil {
		return nil, err
	}
	child, err := adopt.Start(cmd)
	said.started()
	if err != nil {
		said.drop()
		return nil, err
	}
	tty, err := child.Ready(ctx)
	if err != nil {
		return nil, refine(r.explain(err, said.drop(), &q), rootOf(&q))
	}
	if size := q.Process.ConsoleSize; tty != nil && size != nil {
		// Not every runtime heeds the size of an exec's process.
		_ = unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)})
	}
	said.pass()
	return &process{child: child, console: tty, said: said}, nil
}

// ready says whether the request is one that the program can carry out.
func (r *Runtime) ready(q *oci.ExecRequest) error {
	return errors.Join(r.runnable(), passable(q.ExtraFiles))
}

func writeProcess(dir string, q *oci.ExecRequest) error {
	raw, err := json.Marshal(adapt(q.Process))
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "process.json"), raw, 0o600, atomicfile.Volatile)
}

// rootOf is the container's root directory as its init sees it.
func rootOf(q *oci.ExecRequest) string { return fmt.Sprintf("/proc/%d/root", q.PID) }

func (r *Runtime) explain(err error, said string, q *oci.ExecRequest) error {
	var failed *adopt.Error
	if !errors.As(err, &failed) {
		return err
	}
	if failed.Text == "" {
		failed.Text = said
	}
	return ocilog.Explain(failed.Error(), r.o.Name, first(q.Process.Args))
}

// ExecDetached implements oci.Runtime.
func (r *Runtime) ExecDetached(ctx context.Context, q oci.ExecRequest, c monitor.Config) error {
	if err := r.ready(&q); err != nil {
		return err
	}
	if err := writeProcess(c.RunDir, &q); err != nil {
		return err
	}
	console := ""
	if q.Process.Terminal {
		console = monitor.ConsoleWord
	}
	s, err := monitor.Spawn(ctx, monitor.SpawnOptions{
		Config: c, Launch: launch.Request{Program: r.File(), Stdio: q.Stdio, ExtraFiles: q.ExtraFiles},
		External: &monitor.External{
			Runtime: r.o.Name, Program: first(q.Process.Args), Create: r.exec(&q, c.RunDir, console), Env: environment(),
			PIDFile: filepath.Join(c.RunDir, "runtime.pid"), Log: filepath.Join(c.RunDir, "runtime.log"),
		},
	})
	if err != nil {
		return err
	}
	if _, err = s.Ready(ctx); err == nil {
		_, err = s.Start(ctx)
	}
	if err != nil {
		return errors.Join(refine(err, rootOf(&q)), s.Abort(context.WithoutCancel(ctx)))
	}
	s.Release()
	return nil
}

// probe makes the command of a process that is started when the container runs.
func (r *Runtime) probe(l *oci.LaunchRequest, p *oci.Probe) error {
	dir := filepath.Join(l.Bundle, p.Name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	q := oci.ExecRequest{ID: l.ID, Bundle: l.Bundle, Spec: p.Spec, Process: p.Process, Cgroup: l.Cgroup}
	if err := writeProcess(dir, &q); err != nil {
		return err
	}
	p.To.External = &monitor.External{
		Runtime: r.o.Name, Program: first(p.Process.Args), Create: r.exec(&q, dir, ""), Env: environment(),
		PIDFile: filepath.Join(dir, "runtime.pid"), Log: filepath.Join(dir, "runtime.log"),
	}
	return nil
}

// process is a process in a container whose parent this one became.
type process struct {
	child   *adopt.Child
	console *os.File
	said    *overheard
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
	p.said.end()
	return status.Code, errors.Join(err, p.child.Close())
}

// afterExit is how long the standard error of a process that has ended may still be written to by
// others that hold it. A pipe has room for everything that it wrote itself.
const afterExit = 250 * time.Millisecond

// overheard stands between the runtime and the caller's standard error. Runtimes write their errors
// there as well as into the log; those must not be shown twice. Once the user's program runs, what
// comes is its own.
type overheard struct {
	ours, theirs *os.File
	to           *os.File
	done         chan struct{}
}

// newOverheard puts a pipe in place of the command's standard error, unless it has a terminal.
func newOverheard(cmd *adopt.Command) (*overheard, error) {
	o := &overheard{}
	if cmd.Console != nil {
		return o, nil
	}
	var err error
	if o.ours, o.theirs, err = os.Pipe(); err != nil {
		return nil, err
	}
	o.to, cmd.Stdio[2] = cmd.Stdio[2], o.theirs
	return o, nil
}

// started gives up the writing end, which the command has.
func (o *overheard) started() {
	if o.theirs != nil {
		_ = o.theirs.Close()
	}
}

// drop returns the beginning of what the runtime said, and ends.
func (o *overheard) drop() string {
	if o.ours == nil {
		return ""
	}
	defer func() { _ = o.ours.Close() }()
	_ = o.ours.SetReadDeadline(time.Now().Add(afterExit))
	raw, _ := io.ReadAll(io.LimitReader(o.ours, 4096))
	return ocilog.OneLine(string(raw))
}

// pass copies from now on.
func (o *overheard) pass() {
	if o.ours == nil {
		return
	}
	o.done = make(chan struct{})
	go func() {
		defer close(o.done)
		var w io.Writer = io.Discard
		if o.to != nil {
			w = o.to
		}
		_, _ = io.Copy(w, o.ours)
	}()
}

// end waits for the last bytes.
func (o *overheard) end() {
	if o.ours == nil {
		return
	}
	_ = o.ours.SetReadDeadline(time.Now().Add(afterExit))
	<-o.done
	_ = o.ours.Close()
}
