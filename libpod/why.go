package libpod

import (
	"context"
	"errors"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// WhyReport is why a container does not run, or that it does. Its JSON is what programs are shown.
type WhyReport struct {
	ID    string
	Name  string
	Image string
	// State is where it stands; "removed" for one that is gone.
	State string
	// Unmonitored says that it runs without its monitor, so that nobody will see how it ends.
	Unmonitored bool `json:",omitempty"`
	// End is the last end, nil if there was none.
	End *WhyEnd
	// Previous are the ends of the starts before, newest first.
	Previous []WhyEnd
	// Log is the end of what the last start wrote, when it ended badly. It may hold anything.
	Log []string
	// StartedAt is when the present start began; nil unless it runs.
	StartedAt *time.Time `json:",omitempty"`
}

// WhyEnd is how one start ended.
type WhyEnd struct {
	// Cause is one of monitor's Cause constants, Summary the same in words.
	Cause   string
	Summary string
	// Details and Next are sentences: what is known, and what to do.
	Details []string
	Next    string
	// ExitCode is the program's, or 128+n for signal n; -1 if nobody saw it.
	ExitCode int
	// Signal is the signal's name, "" if it ended by itself.
	Signal string
	// OOMKilled says that the kernel killed a process of it for lack of memory.
	OOMKilled bool
	// Memory is its limit and peak in bytes; nil where they do not matter.
	Memory *monitor.MemoryUse `json:",omitempty"`
	// StartedAt is zero if the program never ran. Both are wall-clock times.
	StartedAt  time.Time
	FinishedAt time.Time
	// Error is why a start failed.
	Error string `json:",omitempty"`
}

// previousEnds bounds what is told of the starts before.
const previousEnds = 10

// Why tells how a container ended, by name or id; also of one that was removed less than a day ago.
func (r *Runtime) Why(ctx context.Context, word string) (*WhyReport, error) {
	id, err := r.state.FindContainer(ctx, word)
	if err == nil {
		err = r.reconcileQuietly(ctx, id) // --rm may be due
	}
	if err != nil {
		if errors.Is(err, errdefs.ErrNotFound) {
			return r.whyGone(ctx, word)
		}
		return nil, err
	}
	w, err := r.whyThere(ctx, id)
	if err == nil && w.Name != word && w.ID != word {
		// It was found by the beginning of its id. The whole name of one that is gone is nearer.
		if gone, goneErr := r.whyGone(ctx, word); goneErr == nil && gone.Name == word {
			return gone, nil
		}
	}
	return w, err
}

func (r *Runtime) whyGone(ctx context.Context, word string) (*WhyReport, error) {
	e, err := r.gone(ctx, word)
	if err != nil {
		return nil, err
	}
	return &WhyReport{
		ID: e.ID, Name: e.Name, Image: e.Image, State: "removed", End: e.explain(), Previous: []WhyEnd{}, Log: append([]string{}, e.Log...),
	}, nil
}

func (r *Runtime) whyThere(ctx context.Context, id string) (*WhyReport, error) {
	c, err := r.observe(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &c.row.State
	ends, err := c.ends(ctx)
	if err != nil {
		return nil, c.fail("read the ends of", nil, err, "")
	}
	w := &WhyReport{ID: c.row.ID, Name: c.row.Name, Image: c.event("").Image, State: string(s.Status), Previous: []WhyEnd{}, Log: []string{}}
	if s.Status.Live() {
		w.StartedAt = &s.StartedAt
		if held, err := monitor.Alive(r.paths.runDir(id)); err == nil {
			w.Unmonitored = !held
		}
	} else if known := len(ends) > 0 && ends[len(ends)-1].Record.Generation == s.Generation; !known && s.Cause != "" {
		// It has ended in this moment, or nobody could write its end down.
		ends = append(ends, *c.newEnd(c.freshRecord()))
	}
	for i := len(ends) - 1; i >= 0 && len(w.Previous) < previousEnds; i-- {
		e := &ends[i]
		e.Name = c.row.Name
		if w.End == nil && !s.Status.Live() {
			w.End = e.explain()
			if e.Record.Code != 0 && e.Record.Cause != monitor.CauseStartFailed {
				w.Log = append(w.Log, c.logTail(ctx, e.Record.StartedAt)...)
			}
			continue
		}
		w.Previous = append(w.Previous, *e.explain())
	}
	return w, nil
}

// freshRecord is the record of an end that nobody has written down yet.
func (c *container) freshRecord() monitor.ExitRecord {
	record, err := monitor.ReadExit(c.rt.paths.runDir(c.row.ID))
	if err == nil && record.Generation == c.row.State.Generation {
		return record
	}
	return recordOf(&c.row.State)
}

// ownPIDs reports whether its process 1 is that of a pid namespace.
func (c *container) ownPIDs() bool { return c.cfg.Namespaces.PID.Mode == spec.NSPrivate }
