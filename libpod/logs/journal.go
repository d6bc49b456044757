package logs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"time"
)

// journalReader is one call of Read for the driver journald. Its hands are journalctl, whose library is C
// and whose files have a format of systemd's own; it prints entries in the export format, which is.
// Source: systemd, "Journal Export Formats"; journalctl(1).
type journalReader struct {
	o       Options
	f       func(Line) error
	program string
	// cursor is the place of the last entry that was read, or "".
	cursor string
}

func readJournal(ctx context.Context, o Options, f func(Line) error) error {
	program, err := findJournalctl()
	if err != nil {
		return err
	}
	r := &journalReader{o: o, f: f, program: program}
	syncJournal(ctx, r.program)
	from, err := r.begin(ctx)
	if err != nil {
		return err
	}
	if o.Follow {
		if from, err = r.follow(ctx, from); err != nil {
			return ended(err)
		}
	}
	err = r.run(ctx, r.entry, from...)
	if idle := r.o.Idle(); err == nil {
		err = idle
	}
	return ended(err)
}

func ended(err error) error {
	if errors.Is(err, errPastUntil) {
		return nil
	}
	return err
}

// begin finds the arguments that say where to begin.
func (r *journalReader) begin(ctx context.Context) ([]string, error) {
	if r.o.Tail < 0 {
		return r.since(), nil
	}
	first, left, any := "", r.o.Tail, false
	err := r.run(ctx, func(e *entry) error {
		if r.late(e.line.Time) {
			return nil
		}
		if !e.line.Partial || !any {
			left--
		}
		any = true
		first = e.cursor
		if left < 0 {
			return errFound
		}
		return nil
	}, "--reverse")
	if err != nil && !errors.Is(err, errFound) || first == "" {
		return r.since(), err
	}
	if left < 0 {
		return []string{"--after-cursor=" + first}, nil
	}
	return []string{"--cursor=" + first}, nil
}

// errFound ends a search.
var errFound = errors.New("found")

func (r *journalReader) since() []string {
	if r.o.Since.IsZero() {
		return nil
	}
	// Whole seconds; the rest is compared here.
	return []string{"--since=@" + strconv.FormatInt(r.o.Since.Unix(), 10)}
}

// follow delivers entries as they come until the container has ended, and returns from where those that
// are left then are read.
func (r *journalReader) follow(ctx context.Context, from []string) ([]string, error) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		var until <-chan time.Time
		if !r.o.Until.IsZero() {
			t := time.NewTimer(time.Until(r.o.Until))
			defer t.Stop()
			until = t.C
		}
		select {
		case <-r.o.Done:
		case <-until:
		case <-running.Done():
		}
		cancel()
	}()
	err := r.run(running, r.entry, append([]string{"--follow", "--no-tail"}, from...)...)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && running.Err() == nil {
		return nil, err
	}
	if errors.Is(err, errPastUntil) {
		return nil, err
	}
	syncJournal(ctx, r.program)
	if r.cursor != "" {
		from = []string{"--after-cursor=" + r.cursor}
	}
	return from, nil
}

// entry is one record of the journal.
type entry struct {
	line   Line
	cursor string
}

// entry delivers one.
func (r *journalReader) entry(e *entry) error {
	r.cursor = e.cursor
	if e.line.Time.Before(r.o.Since) {
		return nil
	}
	if r.late(e.line.Time) {
		return errPastUntil
	}
	return r.f(e.line)
}

func (r *journalReader) late(t time.Time) bool { return !r.o.Until.IsZero() && t.After(r.o.Until) }

// run calls f for the entries of one journalctl until it ends, f fails, or ctx ends.
func (r *journalReader) run(ctx context.Context, f func(*entry) error, args ...string) error {
	args = append([]string{"--output-fields=MESSAGE,PRIORITY,CONTAINER_PARTIAL_MESSAGE"}, args...)
	return journalctl(ctx, r.program, args, []string{"CONTAINER_ID_FULL=" + r.o.ID}, func(in *bufio.Reader) error { return r.entries(in, f) })
}

// entries reads the export format: fields "NAME=value", or "NAME", a length of 8 bytes and the value where
// that is not text; an empty line ends an entry. One that is torn, as at a kill, does not count.
func (r *journalReader) entries(in *bufio.Reader, f func(*entry) error) error {
	e := &entry{}
	for {
		if in.Buffered() == 0 {
			if err := r.o.Idle(); err != nil {
				return err
			}
		}
		name, value, err := readField(in)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if name != "" {
			e.set(name, value)
			continue
		}
		if !e.line.Time.IsZero() {
			if err := f(e); err != nil {
				return err
			}
		}
		e = &entry{}
	}
}

// set takes one field.
func (e *entry) set(name string, value []byte) {
	switch name {
	case "__CURSOR":
		e.cursor = string(value)
	case "__REALTIME_TIMESTAMP":
		if us, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			e.line.Time = time.UnixMicro(us)
		}
	case "PRIORITY":
		e.line.Stream = "stdout"
		if string(value) == "3" {
			e.line.Stream = "stderr"
		}
	case "CONTAINER_PARTIAL_MESSAGE":
		e.line.Partial = string(value) == "true"
	case "MESSAGE":
		e.line.Text = value
	}
}
