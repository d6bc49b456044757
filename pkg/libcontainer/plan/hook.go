package plan

import "time"

// Hook is a program that runs at one point of a container's life.
// Source: OCI runtime-spec, config.md, "POSIX-platform Hooks".
type Hook struct {
	// Path is absolute in the mount namespace of the process that runs it.
	Path string `json:"path"`
	// Args are argv, the program's name first; none means Path alone.
	Args []string `json:"args,omitempty"`
	// Env is its whole environment.
	Env []string `json:"env,omitempty"`
	// Timeout ends the hook and what it started; 0 waits for ever.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Dir is its absolute working directory; "" keeps that of the process that runs it.
	Dir string `json:"dir,omitempty"`
}

// State is what a hook reads from its standard input.
// Source: OCI runtime-spec, runtime.md, "State".
type State struct {
	Version string `json:"ociVersion"`
	ID      string `json:"id"`
	// Status is "creating", "created", "running" or "stopped".
	Status string `json:"status"`
	// PID is the container's process as seen by the hook; 0 when it has ended.
	PID int `json:"pid,omitempty"`
	// Bundle is absolute.
	Bundle      string            `json:"bundle"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// The words of State.Status.
const (
	StatusCreating = "creating"
	StatusCreated  = "created"
	StatusRunning  = "running"
	StatusStopped  = "stopped"
)

// With returns the state with another status and process.
func (s State) With(status string, pid int) State {
	s.Status, s.PID = status, pid
	return s
}
