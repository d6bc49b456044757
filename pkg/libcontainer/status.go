package libcontainer

import (
	"github.com/manager-project/manager/pkg/errdefs"
)

// Status is where a container is in its life.
type Status string

// The statuses. The first four are the specification's; paused is what runc and crun add.
const (
	// Creating is a container whose creation is under way in another process.
	Creating Status = "creating"
	// Created is one whose init waits for Start.
	Created Status = "created"
	// Running is one whose program runs.
	Running Status = "running"
	// Paused is one whose processes stand still.
	Paused Status = "paused"
	// Stopped is one whose init has ended, or whose creation was broken off.
	Stopped Status = "stopped"
)

// verb is what is asked of a container.
type verb string

const (
	verbStart  verb = "start"
	verbSignal verb = "kill"
	verbPause  verb = "pause"
	verbResume verb = "resume"
	verbExec   verb = "exec"
	verbUpdate verb = "update"
	verbDelete verb = "delete"
	verbStats  verb = "events"
	// verbCheckpoint needs a program that has begun: what waits for start is not a program yet.
	verbCheckpoint verb = "checkpoint"
)

// refusals are the whole of the life's rules: for each verb, why a status does not allow it (for
// delete: the status's name). "" allows it. The words are runc's, on which engines match.
// Source: OCI runtime-spec, runtime.md, "Operations".
var refusals = map[verb]map[Status]string{
	verbStart: {
		Creating: "cannot start a container in the creating state", Created: "",
		Running: "cannot start an already running container",
		Paused:  "cannot start a container in the paused state",
		Stopped: "cannot start a container that has stopped",
	},
	verbSignal: {Creating: "", Created: "", Running: "", Paused: "", Stopped: "container not running"},
	verbPause: {
		Creating: "container not running", Created: "", Running: "",
		Paused: "container already paused", Stopped: "container not running",
	},
	verbResume: {
		Creating: "container not paused", Created: "container not paused", Running: "container not paused",
		Paused: "", Stopped: "container not paused",
	},
	verbExec: {
		Creating: "cannot exec in a container in the creating state", Created: "", Running: "",
		Paused:  "cannot exec in a paused container (use --ignore-paused to override)",
		Stopped: "cannot exec in a stopped container",
	},
	verbUpdate: {Creating: "container not running", Created: "", Running: "", Paused: "", Stopped: "container not running"},
	verbDelete: {
		Creating: "creating", Created: "", Running: "running", Paused: "paused", Stopped: "",
	},
	verbCheckpoint: {
		Creating: "container not running", Created: "container not running", Running: "", Paused: "", Stopped: "container not running",
	},
	verbStats: {Creating: "container not running", Created: "", Running: "", Paused: "", Stopped: "container not running"},
}

// allow is nil if the status allows the verb, else class ErrState with the rule's words.
func allow(v verb, id string, s Status) error {
	text, ok := refusals[v][s]
	if ok && text == "" {
		return nil
	}
	if v == verbDelete {
		return errdefs.New(errdefs.ErrState, "", "", "%s", text).
			WithOp("cannot delete container " + id + " that is not stopped").WithHint("use --force to kill it first")
	}
	e := errdefs.New(errdefs.ErrState, "container", id, "%s", text)
	if s == Paused && v != verbPause {
		e.Hint = "resume it first"
	}
	return e
}
