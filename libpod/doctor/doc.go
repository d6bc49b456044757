// Package doctor looks whether this machine can run containers, and says what cures what it finds.
//
// A probe is one question. It really tries where trying is possible: it makes a user namespace and has
// newuidmap map it, mounts an overlay on the store's file system in a mount namespace that is thrown away,
// makes a cgroup where that was delegated, binds a socket, asks each resolver and each registry. What it
// finds is a Finding: the object, why it matters, and the commands that cure it.
//
// A look changes nothing: what a probe makes it takes away again. Only Fix changes things, and only by the
// findings' own Fix: what is safe, and undone as easily.
//
// All facts come through an Env, so that tests can break each one of them. Probes run at the same time and
// share a deadline; one that does not answer in time is a finding too.
package doctor

import (
	"context"
	"fmt"
	"time"
)

// Limit is how long an examination takes at most.
const Limit = 1500 * time.Millisecond

// Status is how a probe came out.
type Status string

// The statuses.
const (
	// OK says that all is well.
	OK Status = "ok"
	// Warn says that something works, but less well than it could, or may soon not work.
	Warn Status = "warn"
	// Broken says that something does not work.
	Broken Status = "broken"
	// Skipped says that the question makes no sense here; Why says what for.
	Skipped Status = "skipped"
)

// Finding is an answer of a probe.
type Finding struct {
	// Probe is the probe's name.
	Probe string `json:"probe"`
	// Status says how it came out.
	Status Status `json:"status"`
	// What is the object and what is the matter with it, in one line.
	What string `json:"what"`
	// Why says what does not work for that reason; "" for what is well.
	Why string `json:"why,omitempty"`
	// Cure are the commands or steps that cure it, in their order.
	Cure []string `json:"cure,omitempty"`
	// Fixable says that Fix can do it.
	Fixable bool `json:"fixable,omitempty"`
	// Fixed says what Fix did, Failed why it could not; both empty without Fix.
	Fixed  string `json:"fixed,omitempty"`
	Failed string `json:"failed,omitempty"`

	// fix does the cure and says what it did; nil where that is the administrator's to decide.
	fix func(context.Context, *Env) (string, error)
}

// Report is what an examination found, in the order of the probes.
type Report struct {
	// Healthy says that nothing is broken.
	Healthy bool `json:"healthy"`
	// Findings has at least one entry of each probe.
	Findings []Finding `json:"findings"`
}

// well, poor, broken and skipped make findings; the probe's name is put in later.
func well(format string, args ...any) Finding {
	return Finding{Status: OK, What: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) Finding {
	return Finding{Status: Skipped, What: fmt.Sprintf(format, args...)}
}

func broken(what, why string, cure ...string) Finding {
	return Finding{Status: Broken, What: what, Why: why, Cure: cure}
}

func poor(what, why string, cure ...string) Finding {
	return Finding{Status: Warn, What: what, Why: why, Cure: cure}
}

// orWell is the findings, or that all is well when there is none.
func orWell(found []Finding, format string, args ...any) []Finding {
	if len(found) > 0 {
		return found
	}
	return []Finding{well(format, args...)}
}
