package eventlog

import (
	"strconv"
	"time"
)

// The types of objects that events are about.
const (
	Container = "container"
	Image     = "image"
	Volume    = "volume"
	System    = "system"
)

// What happened, in Podman's words. Source: podman-events(1).
const (
	Attach       = "attach"
	Checkpoint   = "checkpoint"
	Cleanup      = "cleanup"
	Create       = "create"
	Died         = "died"
	Exec         = "exec"
	ExecDied     = "exec_died"
	HealthStatus = "health_status"
	Import       = "import"
	Init         = "init"
	Kill         = "kill"
	Load         = "loadfromarchive"
	LogLost      = "log_lost" // ours: the container's log begins to lose output
	Mount        = "mount"
	Pause        = "pause"
	Prune        = "prune"
	Pull         = "pull"
	PullError    = "pull-error"
	Push         = "push"
	Refresh      = "refresh"
	Remove       = "remove"
	Rename       = "rename"
	Restart      = "restart"
	Restore      = "restore"
	Save         = "save"
	Start        = "start"
	Stop         = "stop"
	Tag          = "tag"
	Unmount      = "unmount"
	Unpause      = "unpause"
	Untag        = "untag"
	Update       = "update"
)

// Event is one thing that happened to one object. Its JSON is both the line in the file and what
// programs are shown; the names are Podman's.
type Event struct {
	// ContainerExitCode is the exit code, with Died and ExecDied; nil with others.
	ContainerExitCode *int `json:",omitempty"`
	// ID is the object's full id; a volume has none.
	ID string `json:",omitempty"`
	// Image is the name of a container's image.
	Image string `json:",omitempty"`
	// Name is the object's name.
	Name string `json:",omitempty"`
	// Status is what happened: one of the constants above.
	Status string
	// Time and TimeNano are when, in seconds and in nanoseconds since 1970.
	Time     int64 `json:"time"`
	TimeNano int64 `json:"timeNano"`
	// Type is the object's type: one of the constants above.
	Type string
	// HealthStatus is the outcome of a health check, with HealthStatus.
	HealthStatus string `json:"health_status,omitempty"`
	// Error is why something failed, in one line.
	Error string `json:",omitempty"`
	// Attributes are the labels of a container, and what else is known.
	Attributes map[string]string
}

// SetTime says when it happened.
func (e *Event) SetTime(t time.Time) { e.Time, e.TimeNano = t.Unix(), t.UnixNano() }

// When is when it happened.
func (e *Event) When() time.Time { return time.Unix(0, e.TimeNano) }

// maxLine bounds a line, in bytes. An event with more labels than that leaves them out.
const maxLine = 64 << 10

// line is the event as it is stored, with its end.
func (e *Event) line() []byte {
	data := e.AppendJSON(nil)
	if len(data) >= maxLine {
		cut := *e
		cut.Attributes = map[string]string{"attributes_left_out": strconv.Itoa(len(e.Attributes))}
		cut.Error = cut.Error[:min(len(cut.Error), 1024)]
		data = cut.AppendJSON(data[:0])
	}
	return append(data, '\n')
}
