package monitor

import "time"

// Restart policies, in the words of the option.
const (
	RestartNo     = "no"
	RestartAlways = "always"
	// RestartUnlessStopped is RestartAlways but for what is started after a reboot.
	RestartUnlessStopped = "unless-stopped"
	// RestartOnFailure restarts only after an exit code other than 0.
	RestartOnFailure = "on-failure"
)

// The back-off is Docker's, so that what users know of it holds.
const (
	// RestartFirst is the wait before the first restart; each further one waits twice as long.
	RestartFirst = 100 * time.Millisecond
	// RestartLongest bounds it.
	RestartLongest = time.Minute
	// RestartSettled is how long a container must have run for the wait to begin anew.
	RestartSettled = 10 * time.Second
)

// Restart is a container's policy, and how often it was carried out since somebody started the
// container.
type Restart struct {
	// Policy is one of the Restart constants; "" restarts only what has ended to be started anew (ExitRecord.Again).
	Policy string `json:"policy"`
	// Max bounds Count with RestartOnFailure; 0 does not.
	Max uint `json:"max,omitempty"`
	// Count is the number of restarts so far, Wait the last one's back-off.
	Count uint          `json:"count,omitempty"`
	Wait  time.Duration `json:"wait,omitempty"`
	// Lock is the absolute file that a monitor holds while it has a restart to carry out, see HoldRestart.
	Lock string `json:"lock"`
}

// NextStart is a restart that is due.
type NextStart struct {
	// At is when, Wait how long after the end that is.
	At   time.Time     `json:"at"`
	Wait time.Duration `json:"wait"`
	// Count is this restart's number, from 1.
	Count uint `json:"count"`
}

// After decides what follows an end: a restart, or nil. stopped says that a command ended the start on
// purpose (see Stop). A start that failed is told to whoever started it, and not repeated: what was
// missing is missing the next time too. What was ended for its health to be started anew is, within Max. r may be nil.
func (r *Restart) After(e ExitRecord, stopped bool) *NextStart {
	if r == nil || stopped || e.Cause == CauseStartFailed {
		return nil
	}
	switch r.Policy {
	case RestartAlways, RestartUnlessStopped:
	case RestartOnFailure:
		if e.Code == 0 && !e.Again || r.Max > 0 && r.Count >= r.Max {
			return nil
		}
	default:
		if !e.Again {
			return nil
		}
	}
	wait := min(max(2*r.Wait, RestartFirst), RestartLongest)
	if e.FinishedAt.Sub(e.StartedAt) >= RestartSettled {
		wait = RestartFirst
	}
	return &NextStart{At: e.FinishedAt.Add(wait), Wait: wait, Count: r.Count + 1}
}

// OnBoot reports whether a container of this policy is to be started when the machine has booted;
// stopped says that a command had ended it. Only here do RestartAlways and RestartUnlessStopped differ.
func OnBoot(policy string, stopped bool) bool {
	return policy == RestartAlways || policy == RestartUnlessStopped && !stopped
}
