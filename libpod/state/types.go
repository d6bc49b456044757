package state

import (
	"time"

	"github.com/manager-project/manager/libpod/define"
)

// Container is what changes of a container. It is small and apart from its Config.
type Container struct {
	Status define.Status
	// Generation counts the starts, from 1; 0 means never started.
	Generation uint64
	// PID and PIDStart identify the init while Status is live: process id and start time in clock
	// ticks since boot (proc_pid_stat(5), field 22).
	PID      int
	PIDStart uint64
	// MonitorPID is the monitor's process id while Status is live.
	MonitorPID int
	// CgroupPath is the container's cgroup below the hierarchies' mount points, or "" for none.
	CgroupPath string
	// Mounted says that a start mounted things which clean-up has not yet undone.
	Mounted    bool
	StartedAt  time.Time
	FinishedAt time.Time
	ExitCode   int
	Signal     int
	OOMKilled  bool
	// Cause is one of monitor's Cause constants, or "".
	Cause string
	// Error is the last start's failure in one line, or "".
	Error string
	// StoppedByUser says that stop or kill ended it.
	StoppedByUser bool
	// Restarts counts what the restart policy has started since somebody else did. RestartWait is the
	// back-off before the last of them, RestartAt when that was due, or is: zero for a start by hand.
	Restarts    uint
	RestartWait time.Duration
	RestartAt   time.Time
}

// Unsettled says that a start touched it and no clean-up has settled that, or that it is being made, removed or
// restarted.
func (c *Container) Unsettled() bool {
	return c.Mounted || c.Status == define.StatusCreating || c.Status == define.StatusRemoving || c.Status == define.StatusRestarting
}

// Row is one container as it is stored.
type Row struct {
	ID   string
	Name string
	// ImageID is the image it was made from, or "".
	ImageID string
	Created time.Time
	// Brief is what lists print, as JSON; this package does not look inside.
	Brief []byte
	// Config is spec.Config as JSON; nor inside this. Lists leave it empty.
	Config []byte
	State  Container
}

// Volume is one named volume as it is stored.
type Volume struct {
	Name      string
	Driver    string
	Path      string
	Created   time.Time
	Labels    map[string]string
	Options   map[string]string
	Anonymous bool
	UID, GID  int
	// NeedsCopyUp says that no container has filled it from an image yet.
	NeedsCopyUp bool
	// NeedsChown says that no container has given it to its user yet.
	NeedsChown bool
}

// ExecSession is a detached exec.
type ExecSession struct {
	ID        string
	Container string
	Command   []string
	Created   time.Time
	// RunDir is where its monitor keeps its files.
	RunDir string
}
