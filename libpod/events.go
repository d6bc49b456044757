package libpod

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/conf"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/journal"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/rootless"
)

// events is where a Runtime notes what it did.
type events struct {
	log eventlog.Log
	// failed says once that they cannot be kept; the work itself went well.
	failed sync.Once
}

// eventLog chooses where events are kept.
func eventLog(o *Options, c *conf.File, p *paths) (eventlog.Log, error) {
	origin, backend := "--events-backend", o.EventsBackend
	if backend == "" {
		origin, backend = "events_logger of containers.conf", first(stringOf(c.Engine.EventsLogger), "file")
	}
	switch backend {
	case "file":
		l := eventlog.Log{Path: first(stringOf(c.Engine.EventsLogPath), filepath.Join(p.static, "events.log"))}
		if size := c.Engine.EventsLogMaxSize; size != nil {
			l.MaxSize = int64(*size)
		}
		return l, nil
	case "none":
		return eventlog.Log{}, nil
	case "journald":
		if !exists(journal.Socket) {
			return eventlog.Log{}, errdefs.New(errdefs.ErrUnavailable, "", origin, "journald: there is no journal at %s", journal.Socket).
				WithHint("use --events-backend file, or start systemd-journald")
		}
		return eventlog.Log{Journal: journal.Socket, Store: p.static}, nil
	}
	return eventlog.Log{}, errdefs.Invalid(origin, backend, "no such place for events").WithHint("use file, journald or none")
}

// backend is the name of the place.
func (e *events) backend() string {
	switch {
	case e.log.Journal != "":
		return "journald"
	case e.log.Path != "":
		return "file"
	}
	return "none"
}

// emit keeps an event.
func (r *Runtime) emit(e eventlog.Event) {
	if err := r.events.log.Append(e); err != nil {
		r.events.failed.Do(func() { r.warn("%v", err) })
	}
}

// event is one about the container.
func (c *container) event(status string) eventlog.Event {
	e := eventlog.Event{
		Type: eventlog.Container, Status: status, ID: c.row.ID, Name: c.row.Name, Image: c.cfg.Image.Name, Attributes: c.cfg.Labels,
	}
	if c.cfg.Rootfs.Path != "" {
		e.Image = c.cfg.Rootfs.Path
	}
	return e
}

func (c *container) emit(status string) { c.rt.emit(c.event(status)) }

// with is an event with one more attribute.
func with(e eventlog.Event, key, value string) eventlog.Event {
	attributes := make(map[string]string, len(e.Attributes)+1)
	for k, v := range e.Attributes {
		attributes[k] = v
	}
	attributes[key] = value
	e.Attributes = attributes
	return e
}

// monitorEvents is what a monitor is told about events; nil when none are kept.
func (c *container) monitorEvents(about eventlog.Event, started, ended string) *monitor.Events {
	if !c.rt.events.log.Kept() {
		return nil
	}
	return &monitor.Events{Log: c.rt.events.log, About: about, Started: started, Ended: ended}
}

// emitEnd notes an end that no monitor saw; the others are noted by their monitors.
func (c *container) emitEnd(record *monitor.ExitRecord) {
	if !record.Unseen {
		return
	}
	if e := c.monitorEvents(c.event(""), eventlog.Start, eventlog.Died); e != nil {
		c.rt.emit(e.EndEvent(record))
	}
}

// imageChanged notes what was done to an image.
func (r *Runtime) imageChanged(change image.Change) {
	e := eventlog.Event{Type: eventlog.Image, Status: change.What, ID: change.ID, Name: change.Name}
	if change.Err != nil {
		e.Error = change.Err.Error()
	}
	r.emit(e)
}

// emitVolume notes what was done to a volume.
func (r *Runtime) emitVolume(status string, v *state.Volume) {
	r.emit(eventlog.Event{Type: eventlog.Volume, Status: status, Name: v.Name, Attributes: v.Labels})
}

// emitKill notes a signal that was sent.
func (c *container) emitKill(sig int) {
	c.rt.emit(with(c.event(eventlog.Kill), "signal", strconv.Itoa(sig)))
}

// emitPrune notes a clearing up; what was removed is noted apart.
func (r *Runtime) emitPrune(kind string, reports []PruneReport) {
	var reclaimed int64
	for i := range reports {
		if reports[i].Err == nil {
			reclaimed += reports[i].Size
		}
	}
	r.emit(eventlog.Event{Type: kind, Status: eventlog.Prune, Attributes: map[string]string{"reclaimed": strconv.FormatInt(reclaimed, 10)}})
}

// EventsOptions of Events.
type EventsOptions struct {
	eventlog.ReadOptions
	// Filters are KEY=VALUE; of those with one key any must match, of different keys all.
	Filters []string
}

// Events calls each for the events that match, in their order.
func (r *Runtime) Events(ctx context.Context, o EventsOptions, each func(eventlog.Event) error) error {
	if !r.events.log.Kept() {
		return errdefs.New(errdefs.ErrUnavailable, "events", "", "none are kept").
			WithHint("leave out --events-backend none, or set events_logger of containers.conf to \"file\"")
	}
	match, err := eventFilters(o.Filters)
	if err != nil {
		return err
	}
	matching := func(e eventlog.Event) error {
		if !match(&e) {
			return nil
		}
		return each(e)
	}
	if r.events.log.Journal != "" {
		return r.journalEvents(ctx, o.ReadOptions, matching)
	}
	return r.events.log.Read(ctx, o.ReadOptions, matching)
}

// journalEvents reads them from the journal, where others write too: those of this store that this user sent count.
func (r *Runtime) journalEvents(ctx context.Context, o eventlog.ReadOptions, each func(eventlog.Event) error) error {
	if !o.FromStart && o.Since.IsZero() {
		o.Since = time.Now()
	}
	q := logs.JournalQuery{
		Field: eventlog.JournalEvent,
		Match: []string{eventlog.JournalStore + "=" + r.events.log.Store, "_UID=" + strconv.Itoa(rootless.UID())},
		Since: o.Since, Follow: o.Follow, Until: o.Until,
	}
	return logs.ReadJournal(ctx, q, func(line []byte) error {
		e := eventlog.Parse(line)
		if e.Status == "" || !o.Wanted(&e) {
			return nil
		}
		return each(e)
	})
}
