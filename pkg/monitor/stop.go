package monitor

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/manager-project/manager/pkg/atomicfile"
)

// StopFile is the run directory's note of who ends the container on purpose. Without one, an end is
// the container's own or the kernel's.
const StopFile = "stop.json"

// Who ends a container on purpose.
const (
	StopByStop    = "stop"
	StopByKill    = "kill"
	StopByRestart = "restart"
	StopByRemove  = "rm"
	// StopByCheckpoint is CRIU's end of processes that it has written to images.
	StopByCheckpoint = "checkpoint"
	// StopByHealth is the monitor itself, for a container that is unhealthy.
	StopByHealth = "health"
)

// Stop is written before the first signal is sent, by a client that holds the container's lock. The
// monitor reads it once, when the init has ended: such an end is not restarted, and the exit record
// says whose it was.
type Stop struct {
	// Generation is the start that is meant; a note about another one counts for nothing.
	Generation uint64 `json:"generation"`
	// By is one of the StopBy constants.
	By string `json:"by"`
	// Signal is what is sent first; SIGKILL follows after Timeout with StopByStop and StopByRestart.
	Signal  int           `json:"signal"`
	Timeout time.Duration `json:"timeout,omitempty"`
	At      time.Time     `json:"at"`
}

// WriteStop leaves the note.
func WriteStop(runDir string, s Stop) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(runDir, StopFile), data, 0o600, atomicfile.Volatile)
}

// ReadStop reads the note, with the classes of ReadLive.
func ReadStop(runDir string) (Stop, error) {
	var s Stop
	return s, readRecord(runDir, StopFile, &s)
}
