package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/undo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// runOptions are those of the command run.
type runOptions struct {
	root, bundle, id string
}

func parseRun(args []string) (*runOptions, error) {
	o := &runOptions{bundle: "."}
	for len(args) > 0 {
		switch a := args[0]; {
		case (a == "-b" || a == "--bundle") && len(args) > 1:
			o.bundle, args = args[1], args[2:]
		case strings.HasPrefix(a, "--bundle="):
			o.bundle, args = strings.TrimPrefix(a, "--bundle="), args[1:]
		case strings.HasPrefix(a, "-") && a != "-":
			return nil, errdefs.Unsupported("run "+a, "not available in this version")
		case o.id == "":
			o.id, args = a, args[1:]
		default:
			return nil, errdefs.Invalid("run", a, "one container id is enough")
		}
	}
	if err := libcontainer.ValidateID(o.id); err != nil {
		return nil, err
	}
	var err error
	o.bundle, err = filepath.Abs(o.bundle)
	return o, err
}

// run creates, starts and awaits the container, and removes what it made, last things first.
func (o *runOptions) run() (code int, err error) {
	var steps undo.Stack
	defer func() { err = errors.Join(err, steps.Run()) }()
	spec, err := compile.ReadSpec(filepath.Join(o.bundle, "config.json"))
	if err != nil {
		return 0, err
	}
	state := filepath.Join(o.root, o.id)
	if err := os.MkdirAll(o.root, 0o711); err != nil {
		return 0, err
	}
	if err := os.Mkdir(state, 0o711); err != nil {
		if errors.Is(err, os.ErrExist) {
			return 0, errdefs.New(errdefs.ErrExists, "container", o.id, "container with given ID already exists")
		}
		return 0, err
	}
	steps.Add(func() error { return os.RemoveAll(state) })
	cg, err := o.cgroup(spec)
	if err != nil {
		return 0, err
	}
	steps.Add(cg.Remove)
	steps.Add(cg.KillAll)
	plan, handles, err := compile.Container(spec, compile.Options{
		ID: o.id, Bundle: o.bundle, CgroupPath: cg.Path(), MakeCwd: true,
	})
	if err != nil {
		return 0, err
	}
	defer handles.Close()
	for _, w := range handles.Warnings {
		fmt.Fprintln(os.Stderr, "manager-runtime: warning: "+w)
	}
	req := launch.Request{Stdio: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}}
	handles.Apply(&req)
	if req.Plan, err = plan.Encode(); err != nil {
		return 0, err
	}
	return start(req, cg)
}

func (o *runOptions) cgroup(spec *specs.Spec) (*cgroups.Cgroup, error) {
	cfg := cgroups.Config{Path: "/" + o.id} // as runc
	if spec.Linux != nil {
		cfg.Resources = spec.Linux.Resources
		if p := spec.Linux.CgroupsPath; p != "" {
			cfg.Path = p
		}
	}
	return cgroups.Create(cfg)
}

// start launches the container and waits for its end, signals forwarded meanwhile.
func start(req launch.Request, cg *cgroups.Cgroup) (int, error) {
	program, err := monitorProgram()
	if err != nil {
		return 0, err
	}
	defer func() { _ = program.Close() }()
	d, err := cg.Open()
	if err != nil {
		return 0, err
	}
	defer d.Close()
	req.Program, req.Cgroup, req.CgroupTasks = program, d.Dir, d.Tasks
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	ctx := context.Background()
	child, err := launch.Start(ctx, req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = child.Close() }()
	console, err := child.Ready(ctx)
	if err != nil {
		return 0, err
	}
	if err := child.Exec(); err != nil {
		return 0, err
	}
	go forward(signals, child)
	var done func()
	if console != nil {
		done = pump(console)
	}
	st, err := child.Wait()
	if done != nil {
		done()
	}
	return st.Code, err
}

func forward(signals chan os.Signal, child *launch.Child) {
	for s := range signals {
		switch s := s.(syscall.Signal); s {
		case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU, unix.SIGWINCH:
		default:
			_ = child.Signal(s)
		}
	}
}

// monitorProgram opens the small program: beside this one, or under libexec.
func monitorProgram() (*os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(self)
	for _, p := range []string{
		filepath.Join(dir, "manager-monitor"), filepath.Join(dir, "../libexec/manager/manager-monitor"), "/usr/libexec/manager/manager-monitor",
	} {
		f, err := os.Open(p)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, errdefs.NotFound("program", "manager-monitor").WithHint("install manager-monitor beside manager-runtime")
}
