package libpod

import (
	"io"
	"os"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// Options say where a Runtime keeps its things. Zero values mean the configuration files'
// answers, then the usual defaults.
type Options struct {
	Root           string   // --root: image and container store
	RunRoot        string   // --runroot: what does not survive a reboot
	TmpDir         string   // --tmpdir: run state of manager itself
	ImageStore     string   // --imagestore
	StorageDriver  string   // --storage-driver
	StorageOpts    []string // --storage-opt
	VolumePath     string   // --volumepath
	CgroupManager  string   // --cgroup-manager: cgroupfs
	EventsBackend  string   // --events-backend: file, journald or none
	Runtime        string   // --runtime
	RuntimeFlags   []string // --runtime-flag, without the dashes
	CDISpecDirs    []string // --cdi-spec-dir
	Modules        []string // --module
	TransientStore bool     // --transient-store
}

// Streams are a client's side of an attached container.
type Streams struct {
	// Stdin is copied to the container; nil attaches none.
	Stdin *os.File
	// Stdout and Stderr receive its output; nil attaches none.
	Stdout io.Writer
	Stderr io.Writer
	// DetachKeys is the sequence that leaves the container running; "" means none.
	DetachKeys string
	// Resize delivers the terminal's size, the first one at once; nil without a terminal.
	Resize <-chan monitor.Size
	// Signals are forwarded to the container's init; nil forwards none.
	Signals <-chan os.Signal
}

// Warning is something the user should know that stopped nothing; one line.
type Warning string

// CreateReport is the result of Create.
type CreateReport struct {
	ID       string
	Name     string
	Warnings []Warning
}

// RunOptions go with a Request to Run.
type RunOptions struct {
	// Streams attach the caller; nil with --detach.
	Streams *Streams
	// Created is called with the container's id and warnings before the start; may be nil.
	Created func(CreateReport)
	// Progress receives the events of a pull; may be nil.
	Progress image.ProgressFunc
	// PortHolders are what FindPortHolders has returned, or nil.
	PortHolders PortHolders
}

// RunReport is the result of Run.
type RunReport struct {
	ID string
	// ExitCode is the program's; meaningless when Detached.
	ExitCode int
	// Detached says that the caller left by the detach keys, or asked for --detach.
	Detached bool
}

// StartOptions of Start.
type StartOptions struct {
	// Streams attach the caller; nil starts in the background.
	Streams *Streams
	// Warn hears what the user should know before the program begins; may be nil.
	Warn func(Warning)
	// dependency says that the container is started for another one: what a service manager gave is not for it.
	dependency bool
}

// AttachResult is how an attachment ended.
type AttachResult struct {
	Detached bool
	ExitCode int
}

// StopOptions of Stop and Restart.
type StopOptions struct {
	// Timeout in seconds before SIGKILL; nil means the container's own.
	Timeout *uint
}

// StopReport says how a container was stopped.
type StopReport struct {
	// AlreadyStopped says that there was nothing to stop.
	AlreadyStopped bool
	// Killed says that SIGKILL was needed; Reason why it was sent: the time ran out, or the
	// process neither handles nor blocks the stop signal.
	Killed bool
	Reason string
	// Deaf says that SIGKILL was sent without waiting: the stop signal could have no effect.
	Deaf bool
}

// RemoveOptions of Remove.
type RemoveOptions struct {
	Force   bool
	Volumes bool // anonymous volumes too
	Depend  bool // the containers that depend on it too
	Timeout *uint
}

// ExecOptions of Exec.
type ExecOptions struct {
	Command     []string
	Env         []string
	EnvFile     []string
	User        string // "" means the container's
	Workdir     string // "" means the container's
	Privileged  bool
	TTY         bool
	Interactive bool
	Detach      bool
	PreserveFDs []uint
	Streams     *Streams
}

// ExecReport is how an exec ended.
type ExecReport struct {
	// SessionID names a detached session.
	SessionID string
	ExitCode  int
	Detached  bool
}

// LogsOptions of Logs.
type LogsOptions struct {
	Follow bool
	Since  time.Time // zero: from the start
	Until  time.Time // zero: no end
	Tail   int64     // -1: all
	// Idle and Lost are those of logs.Options.
	Idle func() error
	Lost func()
}

// WaitCondition is what Wait waits for: a status, or "removed".
type WaitCondition string

// WaitOptions of Wait.
type WaitOptions struct {
	// Conditions is the set of states to wait for; empty means stopped (exited).
	Conditions []WaitCondition
	// Interval between looks where nothing announces the change.
	Interval time.Duration
}

// Selection picks containers for the commands that take several.
type Selection struct {
	Names    []string
	All      bool
	Latest   bool
	CIDFiles []string
	Filters  []string // key=value
	// Ignore leaves out names that do not exist.
	Ignore bool
	// Statuses restricts All and Filters; empty means any.
	Statuses []define.Status
}

// ListOptions of List.
type ListOptions struct {
	All       bool
	Latest    bool
	Last      int // -1 or 0: no limit
	Filters   []string
	Size      bool
	Namespace bool
	External  bool
	Sync      bool
}

// ListEntry is a row of ps. Everything is a plain fact; the command line formats it.
type ListEntry struct {
	ID        string
	Names     []string
	Image     string
	ImageID   string
	Command   []string
	Created   time.Time
	Status    define.Status
	StartedAt time.Time
	ExitedAt  time.Time
	ExitCode  int
	Exited    bool
	PID       int
	Restarts  uint
	Labels    map[string]string
	Mounts    []string
	Networks  []string
	// Network is the mode of its network: none, host, private, pasta, slirp4netns, container:ID, …
	Network     string
	Ports       []spec.Port
	AutoRemove  bool
	CIDFile     string
	Exposed     map[uint16][]string
	Unmonitored bool
	OOMKilled   bool
	// RestartPolicy is one of monitor's Restart constants, or "" for none.
	RestartPolicy string
	// StoppedByUser says that a command ended the last start.
	StoppedByUser bool
	// Cause is why it ended: one of monitor's Cause constants, or "".
	Cause string
	// Health is starting, healthy or unhealthy, of a running container that has a healthcheck; else "".
	Health string
	// External is a container of another tool in the shared store.
	External   bool
	Size       *ContainerSize
	Namespaces map[string]string
}

// ContainerSize is in bytes.
type ContainerSize struct {
	RootFs int64 `json:"rootFsSize"`
	RW     int64 `json:"rwSize"`
}

// Record is what is known of one container: what was decided and where it stands.
type Record struct {
	Config *spec.Config
	State  state.Container
}

// PullEvent is a step of a transfer.
type PullEvent = image.Event

// VolumeCreateOptions of VolumeCreate.
type VolumeCreateOptions struct {
	Name    string // "" makes one up
	Driver  string
	Labels  []string
	Options []string
	Ignore  bool // an existing volume of that name is fine
	UID     *int
	GID     *int
}

// Volume is a named place for data.
type Volume struct {
	Name        string            `json:"Name"`
	Driver      string            `json:"Driver"`
	Mountpoint  string            `json:"Mountpoint"`
	CreatedAt   time.Time         `json:"CreatedAt"`
	Labels      map[string]string `json:"Labels"`
	Scope       string            `json:"Scope"`
	Options     map[string]string `json:"Options"`
	Anonymous   bool              `json:"Anonymous,omitempty"`
	UID         int               `json:"UID,omitempty"`
	GID         int               `json:"GID,omitempty"`
	MountCount  uint              `json:"MountCount"`
	NeedsCopyUp bool              `json:"NeedsCopyUp"`
	NeedsChown  bool              `json:"NeedsChown"`
	LockNumber  uint32            `json:"LockNumber"`
}

// PruneReport is the result for one pruned object.
type PruneReport struct {
	ID   string
	Size int64
	Err  error
}
