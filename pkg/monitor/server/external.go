package server

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/adopt"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/ocilog"
)

// maxEarly is how much of what an external runtime says on the container's streams is kept, in
// bytes, for the case that its log is silent about a failure.
const maxEarly = 4 << 10

// external is a process that another program makes and leaves to the monitor.
type external struct {
	*adopt.Child
	spec    *monitor.External
	console *adopt.Console
	report  *os.File // where the container's init reports, or nil
}

// externalStarter starts processes through the program that the setup names.
func externalStarter(setup *monitor.Setup) starter {
	return func(_ context.Context, r launch.Request) (child, error) {
		e := &external{spec: setup.External}
		cmd := e.command(r)
		cmd.Alone = true
		if setup.Config.Terminal {
			var err error
			if e.console, err = adopt.ListenConsole(setup.Config.RunDir); err != nil {
				return nil, err
			}
			cmd.Console = e.console
			for i, word := range cmd.Argv {
				if word == monitor.ConsoleWord {
					cmd.Argv[i] = e.console.Path()
				}
			}
		}
		var err error
		if setup.External.Reports {
			var report *os.File
			if e.report, report, err = os.Pipe(); err != nil {
				return nil, err
			}
			defer func() { _ = report.Close() }()
			cmd.ExtraFiles = append(cmd.ExtraFiles, report)
		}
		if e.Child, err = adopt.Start(cmd); err != nil {
			e.closeConsole()
			return nil, e.explain(err)
		}
		return e, nil
	}
}

// command is the one that makes the process.
func (e *external) command(r launch.Request) adopt.Command {
	return adopt.Command{
		Argv: e.spec.Create, Env: e.spec.Env, Stdio: r.Stdio, ExtraFiles: r.ExtraFiles, PIDFile: e.spec.PIDFile, Log: e.spec.Log,
	}
}

// probeStarter starts processes in a container that runs, through its runtime's exec. init is the container's.
func probeStarter(x *monitor.External, init int) starter {
	return func(_ context.Context, r launch.Request) (child, error) {
		e := &external{spec: x}
		cmd := e.command(r)
		cmd.Alone, cmd.But = true, []int{init}
		var err error
		if e.Child, err = adopt.Start(cmd); err != nil {
			return nil, e.explain(err)
		}
		return e, nil
	}
}

func (e *external) closeConsole() {
	if e.console != nil {
		_ = e.console.Close()
		e.console = nil
	}
}

// Ready implements child: the runtime has made the process.
func (e *external) Ready(ctx context.Context) (*os.File, error) {
	console, err := e.Child.Ready(ctx)
	e.closeConsole()
	return console, e.explain(err)
}

// Exec implements child: the runtime lets the process become the user's program.
func (e *external) Exec() error {
	if len(e.spec.Start) == 0 {
		return nil
	}
	err := e.explain(adopt.Run(context.Background(), e.spec.Start, e.spec.Env, e.spec.Log))
	if e.report == nil {
		return err
	}
	if err == nil {
		err = launch.AwaitReport(e.report)
	}
	_ = e.report.Close()
	return err
}

// explain makes a failure of what the runtime said. One that said nothing stays an *adopt.Error: it may
// have spoken on the container's streams.
func (e *external) explain(err error) error {
	var said *adopt.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case !errors.As(err, &said):
		return &launch.Failure{Stage: ocilog.StageRuntime, Path: e.spec.Runtime, Detail: err.Error()}
	case said.Text == "":
		return said
	}
	return ocilog.Explain(said.Text, e.spec.Runtime, e.spec.Program)
}

// runsAlready says that the process becomes the user's program without being released, as one that is restored. Its output
// waits in the pipes until the process is known: before, nobody could tell it from the runtime's.
func (s *server) runsAlready() bool { return s.external != nil && len(s.external.Start) == 0 }

// keepEarly keeps the beginning of what the runtime says while it makes the container. It is not the
// container's output.
func (s *server) keepEarly(p []byte) {
	s.early = append(s.early, p[:min(len(p), maxEarly-len(s.early))]...)
}

// endEarly reads what is left of that, and uses it when a failure has no other reason.
func (s *server) endEarly(err error) error {
	if s.external == nil || err == nil && s.runsAlready() {
		return err
	}
	buf := s.buf.get()
	for _, o := range s.out {
		for !o.eof && !o.pty {
			n, rerr := unix.Read(o.fd, buf)
			if rerr == unix.EINTR {
				continue
			}
			if n <= 0 || rerr != nil {
				break
			}
			s.keepEarly(buf[:n])
		}
	}
	text := ocilog.OneLine(string(s.early))
	s.early = nil
	var said *adopt.Error
	if !errors.As(err, &said) {
		return err
	}
	if text == "" {
		text = said.Error()
	}
	return ocilog.Explain(text, s.external.Runtime, s.external.Program)
}
