package monitor

import (
	"time"

	"github.com/manager-project/manager/pkg/eventlog"
)

// Events is what a monitor keeps in the event log about what it watches. It is the one that knows
// the moments, and so no end comes before its start.
type Events struct {
	// Log is where.
	Log eventlog.Log `json:"log"`
	// About names the object; status and time are filled in.
	About eventlog.Event `json:"about"`
	// Started and Ended are the words for the start and the end of the program.
	Started string `json:"started"`
	Ended   string `json:"ended"`
}

// StartEvent is the event of the program's start.
func (e *Events) StartEvent(at time.Time) eventlog.Event {
	event := e.About
	event.Status = e.Started
	event.SetTime(at)
	return event
}

// HealthEvent is the event of a change of the health.
func (e *Events) HealthEvent(health string, at time.Time) eventlog.Event {
	event := e.About
	event.Status, event.HealthStatus = eventlog.HealthStatus, health
	event.SetTime(at)
	return event
}

// LossEvent is the event of output that the log begins to lose.
func (e *Events) LossEvent(l LogLoss, at time.Time) eventlog.Event {
	event := e.About
	event.Status, event.Error = eventlog.LogLost, l.Error
	event.SetTime(at)
	return event
}

// EndEvent is the event of the end that a record tells of.
func (e *Events) EndEvent(r *ExitRecord) eventlog.Event {
	event, code := e.About, r.Code
	event.Status, event.ContainerExitCode = e.Ended, &code
	event.SetTime(r.FinishedAt)
	if r.Failure != nil {
		event.Error = r.Failure.Error()
	}
	return event
}
