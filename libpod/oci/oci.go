// Package oci is the contract with what launches containers. It knows no container of
// libpod: an id, a bundle, an OCI spec and streams. It has two implementations: the embedded
// runtime, and external programs with runc's command line. Whoever uses them does not ask which it has.
package oci

import (
	"context"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/monitor"
)

// Runtime launches containers.
type Runtime interface {
	// Launch makes the cgroup, starts the monitor and the init, and returns once the init waits
	// before the user's program. A failure leaves nothing.
	Launch(ctx context.Context, r LaunchRequest) (Launched, error)
	// Exec starts another process in a running container, in the caller's own streams.
	Exec(ctx context.Context, r ExecRequest) (Process, error)
	// ExecDetached does so below a monitor of its own and returns when the program runs.
	ExecDetached(ctx context.Context, r ExecRequest, c monitor.Config) error
	// PrepareProbes does for the monitor of a running container what Launch does with LaunchRequest.Probes, and says
	// where their processes belong.
	PrepareProbes(q ProbeRequest) (monitor.Place, error)
	// InitProgram is the host's file for process 1 of containers with --init.
	InitProgram() string
	// Destroy takes away what a launch has left, killing what still runs. It may come at any time after
	// Launch began, more than once, and after any process was killed. Nothing there is no error.
	Destroy(ctx context.Context, l Leftover) error
	// Check says whether the runtime can do what a container needs of it beyond the ordinary. The
	// class is ErrUnsupported.
	Check(ctx context.Context, needs ...Ability) error
	// Describe says which program this is; it may have to be started for that.
	Describe(ctx context.Context) (Description, error)
}

// Ability is something that not every runtime can do.
type Ability string

// The abilities that are asked for.
const (
	// NoCgroups is to run a container without a cgroup of its own (--cgroups=disabled).
	NoCgroups Ability = "no cgroups"
	// Personality is to heed the specification's linux.personality (--personality).
	Personality Ability = "personality"
	// IDMappedMounts is to heed the uidMappings of a mount (the volume option idmap).
	IDMappedMounts Ability = "id-mapped mounts"
	// ClosedRoots is to open a container's files before its user namespace is entered, so that directories on the way
	// may be closed to its root.
	ClosedRoots Ability = "closed roots"
	// KeepGroups is to leave the supplementary groups as they are (--group-add keep-groups).
	KeepGroups Ability = "keep groups"
)

// Leftover names what a launch may have left.
type Leftover struct {
	ID string
	// Bundle is the LaunchRequest's. It need not exist any more.
	Bundle string
	// Cgroup is the LaunchRequest's; "" for none.
	Cgroup string
}

// Description is what is known of a runtime. Empty parts are unknown.
type Description struct {
	Name    string
	Package string
	// Path is the program's file.
	Path string
	// Version is one line, or several for a program that says more of itself.
	Version string
}

// Warmer is the role of runtimes that can begin a launch before they are told what to launch.
type Warmer interface {
	// Warm begins in the background. It reports nothing: what it cannot do, Launch does.
	Warm()
	// Cool ends what Warm began and Launch did not use.
	Cool()
}

// Freezer is the role of runtimes that can stop and resume all of a container's processes.
type Freezer interface {
	Freeze(ctx context.Context, cgroup string) error
	Thaw(ctx context.Context, cgroup string) error
}

// Lister is the role of runtimes that can tell a container's processes.
type Lister interface {
	// PIDs are host process ids, those of sub-cgroups too.
	PIDs(ctx context.Context, cgroup string) ([]int, error)
	// KillAll sends SIGKILL to all of them until none is left.
	KillAll(ctx context.Context, cgroup string) error
}

// Finisher is the role of runtimes whose poststop hooks are run by whoever cleans up. Those of the others are
// run by Destroy.
type Finisher interface {
	// Finish runs the hooks that are still owed, each once for a launch, when all of the container is torn
	// down and its bundle still there. It reports those that failed; nil errors count for nothing. It may
	// come more than once, and after any process was killed. The caller holds the container's lock.
	Finish(ctx context.Context, l Leftover) []error
}

// Limiter is the role of runtimes that can change the limits of a running container.
type Limiter interface {
	// SetLimits writes q.Change. After an error everything is as it was; restore makes it that again
	// when a later step of the caller's fails.
	SetLimits(ctx context.Context, q LimitRequest) (restore func() error, err error)
}

// LimitRequest says how limits change.
type LimitRequest struct {
	// ID, Bundle and Cgroup are the container's, as in LaunchRequest.
	ID, Bundle, Cgroup string
	// Change has what is to be written, All all limits of the container with the change.
	Change, All *specs.LinuxResources
}

// Counter is the role of runtimes that can tell what a container uses.
type Counter interface {
	Stats(ctx context.Context, cgroup string) (*cgroups.Stats, error)
}

// Checkpointer is the role of runtimes that can write a container's processes to images, and let them go on
// from these, by CRIU.
type Checkpointer interface {
	// Checkpoint writes the images. The processes go on or, without LeaveRunning and PreDump, have been killed
	// when it returns. After an error they are as they were.
	Checkpoint(ctx context.Context, q CheckpointRequest) error
	// Restore is Launch with the processes of images: they run when it returns, and the session's
	// Start has nothing to wait for. They are children of the session's monitor.
	Restore(ctx context.Context, q LaunchRequest, from RestoreRequest) (Launched, error)
}

// CheckpointRequest says what to write to images.
type CheckpointRequest struct {
	// ID, Bundle and Cgroup are the container's, as in LaunchRequest; PID is its init, Spec what it was launched with.
	ID, Bundle, Cgroup string
	PID                int
	Spec               *specs.Spec
	// Images is the absolute directory for the images, Work that for logs and counts; both are there.
	Images, Work string
	// Parent is the directory of an earlier pre-dump beside Images, as "../NAME"; "" for none.
	Parent string
	// PreDump writes memory only, for a later dump with Parent.
	PreDump, LeaveRunning, TCPEstablished, FileLocks bool
}

// RestoreRequest says what to restore from.
type RestoreRequest struct {
	// Images and Work are directories as in CheckpointRequest.
	Images, Work                        string
	TCPEstablished, TCPClose, FileLocks bool
}

// Tidier is the role of runtimes that can take away a cgroup which they made as a parent.
type Tidier interface {
	// RemoveEmpty removes a cgroup without processes and sub-cgroups; any other stays.
	RemoveEmpty(cgroup string)
}

// LaunchRequest says what to launch.
type LaunchRequest struct {
	ID string
	// Bundle is the directory that relative paths of Spec start from.
	Bundle string
	Spec   *specs.Spec
	// Cgroup is the cgroup's path below the hierarchies' mount points, or "slice:prefix:name" for a scope
	// of systemd; "" for none.
	Cgroup string
	// Monitor is what the monitor is told; the runtime fills in what only it knows (MemoryEvents, Freezer).
	Monitor monitor.Config
	// Stdio, where set, are the program's streams in place of the monitor's. The caller keeps ownership.
	Stdio [3]*os.File
	// ExtraFiles become descriptors 3, 4, … of the user's program. Where one is nil, the program
	// has no such descriptor.
	ExtraFiles []*os.File
	// Trees are opened, detached trees to mount at bind mounts' destinations, in place of what the
	// mount's source names by then. The caller keeps ownership.
	Trees map[string]*os.File
	// Probes are processes that the monitor is to start in the container later.
	Probes []Probe
	// Init is the path inside the container of the init that becomes process 1 and gets "--" and
	// the program's arguments; "" for none.
	Init string
	// InitReports says that it is the one of InitProgram, which tells when it hears signals: see launch.ReaperReport.
	InitReports bool
}

// Launched is a container whose init waits to be released.
type Launched struct {
	Session *monitor.Session
	Live    monitor.Live
	// Cgroup is the path of the cgroup that it is in; "" for the caller's own.
	Cgroup string
}

// Probe is a process that the monitor starts in the container, again and again, as Exec would.
type Probe struct {
	// Name is a file name of its own.
	Name string
	// Spec and Process are as in ExecRequest.
	Spec    *specs.Spec
	Process *specs.Process
	// To is the place in LaunchRequest.Monitor that the runtime fills in.
	To *monitor.Probe
}

// ProbeRequest says which processes a monitor is to start in a container that runs.
type ProbeRequest struct {
	// ID, Bundle and Cgroup are the container's, as in LaunchRequest; Probes have names that it has not had yet.
	ID, Bundle, Cgroup string
	Probes             []Probe
}

// ExecRequest says what to run in a container.
type ExecRequest struct {
	// ID and Bundle are the container's, as in LaunchRequest.
	ID     string
	Bundle string
	// PID and PIDFD are the container's init. The caller keeps ownership.
	PID   int
	PIDFD *os.File
	// Spec is the container's; Process what to run.
	Spec    *specs.Spec
	Process *specs.Process
	Cgroup  string
	Stdio   [3]*os.File
	// ExtraFiles become descriptors 3, 4, … of the user's program. Where one is nil, the program
	// has no such descriptor.
	ExtraFiles []*os.File
}

// Process is a process started by Exec.
type Process interface {
	// Console is the pseudo-terminal's master, or nil. The caller owns it.
	Console() *os.File
	PID() int
	Signal(sig os.Signal) error
	// Wait returns the exit code, 128+n for signal n.
	Wait() (int, error)
}
