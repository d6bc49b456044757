// Package define holds the words that every part of libpod shares: ids, states, event
// names, defaults with their units. It imports nothing of ours.
package define

// Status is where a container stands in its life.
type Status string

// The states, as ps and inspect print them.
const (
	// StatusCreating is being made; a command that finds it abandoned removes it.
	StatusCreating Status = "creating"
	// StatusCreated has never been started.
	StatusCreated Status = "created"
	// StatusRunning has a live init.
	StatusRunning Status = "running"
	// StatusPaused has a live init in a frozen cgroup.
	StatusPaused Status = "paused"
	// StatusStopping has been sent its stop signal and is waited for.
	StatusStopping Status = "stopping"
	// StatusRestarting ran and ended, and is about to be started again by its restart policy.
	StatusRestarting Status = "restarting"
	// StatusExited ran and ended.
	StatusExited Status = "exited"
	// StatusRemoving is being removed; the next command finishes the removal.
	StatusRemoving Status = "removing"
)

// Live reports whether a container in this state has an init process.
func (s Status) Live() bool {
	return s == StatusRunning || s == StatusPaused || s == StatusStopping
}
