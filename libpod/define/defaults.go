package define

import "time"

// Defaults, with their units.
const (
	// StopTimeout is how long stop waits before it kills, in seconds.
	StopTimeout = 10
	// DetachKeys leaves an attached container running.
	DetachKeys = "ctrl-p,ctrl-q"
	// ShmSize is the size of /dev/shm in bytes.
	ShmSize = 64 << 20
	// PidsLimit is the most tasks in a container's cgroup.
	PidsLimit = 2048
	// LogDriver is the log driver of a container that names none.
	LogDriver = "k8s-file"
	// CleanupTimeout bounds clean-up that runs after its caller has gone.
	CleanupTimeout = 30 * time.Second
)

// The exit codes of the command line itself; see docs/exit-codes.md.
const (
	// ExitManager says that manager itself failed.
	ExitManager = 125
	// ExitNotExecutable says that the contained program cannot be executed.
	ExitNotExecutable = 126
	// ExitNotFound says that the contained program does not exist.
	ExitNotFound = 127
)
