package libcontainer

import (
	"context"
	"errors"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/direct"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// Join says what to start in a running container. It is what the embedded runtime of libpod and
// Container.Exec have in common.
type Join struct {
	// PID and PIDFD are the container's init. The caller keeps ownership.
	PID   int
	PIDFD *os.File
	// Spec is the container's configuration; Process what to run.
	Spec    *specs.Spec
	Process *specs.Process
	// Cgroup is where the process is born; nil leaves it in the caller's cgroups.
	Cgroup *cgroups.Cgroup
	// Places are cgroups below Cgroup in its stead: see cgroups.Cgroup.OpenSub.
	Places []string
	// State is the container's, for the receiver of a seccomp listener.
	State plan.State
	// Keyring is the session keyring to join; "" keeps the caller's.
	Keyring string
	// Stdio and ExtraFiles as in launch.Request; a nil among ExtraFiles is a number that stays closed.
	Stdio      [3]*os.File
	ExtraFiles []*os.File
	// Program is the small program. The caller keeps ownership.
	Program *os.File
}

// Joining is a request with what must stay open until it is started.
type Joining struct {
	launch.Request
	// Warnings are requests that the specification lets a runtime ignore, and that were.
	Warnings []string
	plan     *plan.Plan
	files    *cgroups.Descriptors
	handles  *compile.Handles
}

// Start starts the process: without the small program where that is possible.
func (j *Joining) Start(ctx context.Context) (*launch.Child, error) {
	if j.Image == nil && direct.Possible(&j.Request, j.plan) {
		if err := direct.Attach(&j.Request, &j.plan.Process); err != nil {
			j.Image = nil // the small program needs less of the kernel
		}
	}
	if j.Image != nil {
		child, err := launch.Start(ctx, j.Request)
		if !errors.Is(err, launch.ErrImage) {
			return child, err
		}
	}
	req, err := j.Encode()
	if err != nil {
		return nil, err
	}
	return launch.Start(ctx, req)
}

// Encode is the request with the plan for the small program.
func (j *Joining) Encode() (req launch.Request, err error) {
	req = j.Request
	req.Image = nil
	req.Plan, err = j.plan.Encode()
	return req, err
}

// Close closes what was opened for the request.
func (j *Joining) Close() {
	if j.Image != nil {
		_ = j.Image.File.Close()
	}
	if j.files != nil {
		j.files.Close()
	}
	if j.handles != nil {
		j.handles.Close()
	}
}

// Compile makes the request. The caller closes it when it has been started. Errors are those of
// compile.Exec, and of reading the namespaces of a process that has ended.
func (q *Join) Compile() (_ *Joining, err error) {
	j := &Joining{}
	defer func() {
		if err != nil {
			j.Close()
		}
	}()
	extra, gaps, err := FillGaps(q.ExtraFiles)
	if err != nil {
		return nil, err
	}
	opts := compile.ExecOptions{State: q.State, PreserveFDs: len(q.ExtraFiles)}
	opts.KeepGroups = compile.KeepsGroups(q.Spec)
	if l := q.Spec.Linux; l != nil {
		opts.Seccomp, opts.Personality = l.Seccomp, l.Personality
	}
	p, handles, err := compile.Exec(q.Process, opts)
	if err != nil {
		return nil, err
	}
	j.handles, j.Warnings = handles, handles.Warnings
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/setgroups", q.PID)); err == nil && string(b) == "deny\n" {
		if len(q.Process.User.AdditionalGids) > 0 {
			return nil, errdefs.Invalid("process.user.additionalGids", "", "cannot be set: the container's user namespace denies it")
		}
		p.Process.KeepGroups = true
	}
	p.Process.Keyring, p.Process.CloseFDs = q.Keyring, gaps
	j.Request = launch.Request{Program: q.Program, Stdio: q.Stdio, ExtraFiles: extra, Join: &launch.JoinTarget{PIDFD: q.PIDFD}}
	handles.Apply(&j.Request)
	if j.Join.Flags, err = DifferingNamespaces(q.PID); err != nil {
		return nil, err
	}
	if q.Cgroup != nil {
		open := q.Cgroup.Open
		if len(q.Places) > 0 {
			open = func() (*cgroups.Descriptors, error) { return q.Cgroup.OpenSub(q.Places) }
		}
		if err := j.enter(open()); err != nil {
			return nil, err
		}
	}
	j.plan = p
	return j, nil
}

// enter puts a cgroup's descriptors into the request.
func (j *Joining) enter(files *cgroups.Descriptors, err error) error {
	if err != nil {
		return err
	}
	if j.files != nil {
		j.files.Close()
	}
	j.files = files
	j.Cgroup, j.CgroupTasks = files.Dir, files.Tasks
	return nil
}

// beside takes the cgroups that a process of the container is in.
func (j *Joining) beside(cg *cgroups.Cgroup, pid int) error { return j.enter(cg.OpenLike(pid)) }
