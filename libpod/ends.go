package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
)

// How a container's starts ended is kept, one line of JSON each, in a file of its directory, and the
// last end of a removed container in a file for all of them. Both are bounded, and only "why" reads them, and "wait" for a
// start that another has followed.

const (
	// endsSize bounds a container's file: some fifty ends, and as many older ones.
	endsSize = 64 << 10
	// goneSize bounds the file for removed containers, goneFor how long their ends are told.
	goneSize = 1 << 20
	goneFor  = 24 * time.Hour
	// tailLines and tailWidth bound what is kept of a log: lines, and bytes of each.
	tailLines, tailWidth = 10, 400
)

// end is how one start ended.
type end struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Image string `json:"image,omitempty"`
	// Shielded says that its process 1 has a pid namespace of its own: from inside, the kernel
	// passes it no signal that it does not handle. Source: pid_namespaces(7).
	Shielded bool `json:"shielded,omitempty"`
	// Timeout is --timeout in seconds.
	Timeout uint               `json:"timeout,omitempty"`
	Record  monitor.ExitRecord `json:"record"`
	// Error is why the start failed.
	Error string `json:"error,omitempty"`
	// Denied is what SELinux refused it, in sentences.
	Denied []string `json:"denied,omitempty"`
	// Log is the end of what it wrote, with anything in it.
	Log []string `json:"log,omitempty"`
	// Removed is when the container went, zero while it is there.
	Removed time.Time `json:"removed,omitzero"`
}

// endsLog is a container's file, goneLog the one for removed ones.
func (r *Runtime) endsLog(id string) eventlog.Log {
	return eventlog.Log{Path: filepath.Join(r.paths.staticDir(id), "ends.log"), MaxSize: endsSize}
}

func (r *Runtime) goneLog() eventlog.Log {
	return eventlog.Log{Path: filepath.Join(r.paths.static, "removed.log"), MaxSize: goneSize}
}

// keepEnd writes down how a start ended. Failing that is no reason to fail at anything else.
func (c *locked) keepEnd(ctx context.Context, record monitor.ExitRecord) {
	e := c.newEnd(record)
	to := c.rt.endsLog(c.row.ID)
	if c.cfg.Life.Remove {
		// Its log is about to go. A program that ended well has nothing to explain.
		if record.Code != 0 {
			e.Log = c.logTail(ctx, record.StartedAt)
		}
		e.Removed, to = time.Now(), c.rt.goneLog()
	}
	if err := appendEnd(to, e); err != nil {
		c.rt.warn("%v", err)
	}
}

func (c *container) newEnd(record monitor.ExitRecord) *end {
	e := &end{
		ID: c.row.ID, Name: c.row.Name, Image: c.event("").Image, Record: record, Timeout: c.cfg.Life.Timeout,
		Shielded: c.ownPIDs(), Denied: c.denials(&record),
	}
	if record.Failure != nil {
		e.Error = record.Failure.Error()
	}
	return e
}

func appendEnd(to eventlog.Log, e *end) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return to.AppendLine(append(line, '\n'))
}

// keepGone keeps the last end of a container that somebody removes.
func (c *locked) keepGone(ctx context.Context) {
	if c.cfg.Life.Remove || c.row.State.FinishedAt.IsZero() {
		return // kept already, or it never ran
	}
	ends, err := c.ends(ctx)
	if err != nil || len(ends) == 0 {
		return
	}
	last := ends[len(ends)-1]
	if last.Record.Code != 0 {
		last.Log = c.logTail(ctx, last.Record.StartedAt)
	}
	last.Name, last.Removed = c.row.Name, time.Now()
	if err := appendEnd(c.rt.goneLog(), &last); err != nil {
		c.rt.warn("%v", err)
	}
}

// logTail is the end of what a start wrote.
func (c *container) logTail(ctx context.Context, since time.Time) []string {
	var lines []string
	_ = c.rt.Logs(ctx, c.row.ID, LogsOptions{Tail: tailLines, Since: since}, func(l logs.Line) error {
		lines = append(lines, string(l.Text[:min(len(l.Text), tailWidth)]))
		return nil
	})
	return lines
}

// ends are the container's ends, oldest first, one for each start.
func (c *container) ends(ctx context.Context) ([]end, error) {
	var all []end
	err := c.rt.endsLog(c.row.ID).ReadLines(ctx, func(line []byte) error {
		if e, ok := parseEnd(line); ok {
			// A clean-up that was cut short is done again, and tells again.
			all = slices.DeleteFunc(all, func(o end) bool { return o.Record.Generation == e.Record.Generation })
			all = append(all, e)
		}
		return nil
	})
	return all, err
}

// codeOf is the exit code of one of its starts, -1 if that is not known.
func (c *container) codeOf(ctx context.Context, generation uint64) int {
	ends, err := c.ends(ctx)
	if err != nil {
		return -1
	}
	for i := range ends {
		if ends[i].Record.Generation == generation {
			return ends[i].Record.Code
		}
	}
	return -1
}

func parseEnd(line []byte) (end, bool) {
	var e end
	err := json.Unmarshal(line, &e)
	return e, err == nil && e.ID != ""
}

// gone finds the last end of a removed container, by name or by the beginning of its id.
func (r *Runtime) gone(ctx context.Context, word string) (*end, error) {
	var found *end
	others := false
	err := r.goneLog().ReadLines(ctx, func(line []byte) error {
		e, ok := parseEnd(line)
		if !ok || time.Since(e.Removed) > goneFor || e.Name != word && (len(e.ID) < len(word) || e.ID[:len(word)] != word) {
			return nil
		}
		others = found != nil && e.Name != word && found.ID != e.ID
		found = &e
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, errdefs.NotFound("container", word).WithHint("how removed containers ended is told for a day; \"manager ps -a\" lists those that are there")
	case others:
		return nil, &errdefs.Error{Kind: "container", Name: word, Class: errdefs.ErrAmbiguous, Cause: errors.New("more than one removed container begins so"), Hint: "write more of the id"}
	}
	return found, nil
}

// sweepGone removes the ends of containers that were removed long ago.
func (r *Runtime) sweepGone() error {
	for _, path := range []string{r.goneLog().Path, r.goneLog().Path + ".1"} {
		st, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && time.Since(st.ModTime()) > goneFor {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// keepReboot writes down the ends that came with a reboot; rows are those that were live before.
func (r *Runtime) keepReboot(ctx context.Context, rows []state.Row) {
	for i := range rows {
		if !rows[i].State.Status.Live() {
			continue
		}
		c, err := r.load(ctx, rows[i].ID)
		if err != nil || c.row.State.Cause != monitor.CauseReboot {
			continue
		}
		record := recordOf(&c.row.State)
		record.Unseen = true
		c.emitEnd(&record)
		if c.cfg.Life.Remove {
			continue // its removal tells
		}
		if err := appendEnd(r.endsLog(c.row.ID), c.newEnd(record)); err != nil {
			r.warn("%v", err)
		}
	}
}

// recordOf is what the state says about the last end.
func recordOf(s *state.Container) monitor.ExitRecord {
	return monitor.ExitRecord{
		Generation: s.Generation, Code: s.ExitCode, Signal: s.Signal, Cause: s.Cause, OOMKilled: s.OOMKilled,
		StartedAt: s.StartedAt, FinishedAt: s.FinishedAt,
	}
}

// failStart writes down a start that failed before there was a monitor to tell of it.
func (c *locked) failStart(ctx context.Context, cause error) error {
	s := &c.row.State
	s.Error = cause.Error()
	if s.Status == define.StatusCreated {
		s.Cause = monitor.CauseStartFailed // the state of one that ran before is about that end
	}
	e := c.newEnd(monitor.ExitRecord{
		Generation: s.Generation, Code: define.ExitManager, Cause: monitor.CauseStartFailed, FinishedAt: time.Now(),
	})
	e.Error = s.Error
	if err := appendEnd(c.rt.endsLog(c.row.ID), e); err != nil {
		c.rt.warn("%v", err)
	}
	return c.save(context.WithoutCancel(ctx))
}
