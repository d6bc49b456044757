package monitor

import (
	"strconv"
	"time"
)

// The modes of --sdnotify that concern the monitor.
const (
	// NotifyContainer passes on what the container's program says.
	NotifyContainer = "container"
	// NotifyConmon says that the service is ready when the program runs.
	NotifyConmon = "conmon"
	// NotifyHealthy says so when the container is healthy.
	NotifyHealthy = "healthy"
)

// NotifyDir is the directory below the run directory, and NotifySocket the name in it, of the socket that the container's
// program writes to. Whoever launches makes the directory and shows it to the container.
const (
	NotifyDir    = "notify"
	NotifySocket = "notify.sock"
)

// NotifyConfig says what the service manager is told of the container. Source: sd_notify(3).
type NotifyConfig struct {
	// Socket is its address as in NOTIFY_SOCKET: an absolute path, or "@" and an abstract name.
	Socket string `json:"socket"`
	// Mode is one of the Notify constants.
	Mode string `json:"mode"`
	// Watchdog is how often it wants a sign of life; 0 is never. With NotifyContainer the program gives it.
	Watchdog time.Duration `json:"watchdog,omitempty"`
	// Label is the SELinux label of the container's processes, which its socket gets too: they may not send to another's.
	// "" leaves the monitor's.
	Label string `json:"label,omitempty"`
}

// Environ is what the command needs that starts the container again as a part of the service. n may be nil.
// Source: sd_watchdog_enabled(3).
func (n *NotifyConfig) Environ() []string {
	if n == nil {
		return nil
	}
	env := []string{"NOTIFY_SOCKET=" + n.Socket}
	if n.Watchdog > 0 {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(n.Watchdog.Microseconds(), 10))
	}
	return env
}

// StopConfig is how the monitor itself stops the container: for a signal to it, and for its health.
type StopConfig struct {
	// Signal is a signal number; SIGKILL follows after Timeout.
	Signal  int           `json:"signal"`
	Timeout time.Duration `json:"timeout"`
}
