package logs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
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

// syncLimit bounds the wait for the journal to take in what was sent to it.
const syncLimit = 10 * time.Second

func readJournal(ctx context.Context, o Options, f func(Line) error) error {
	program, err := exec.LookPath("journalctl")
	if err != nil {
		return &errdefs.Error{
			Op: "read", Kind: "journal", Class: errdefs.ErrUnavailable, Cause: errors.New("there is no journalctl in $PATH"),
			Hint: "install it; it is a part of systemd",
		}
	}
	r := &journalReader{o: o, f: f, program: program}
	r.sync(ctx)
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

// sync waits until the journal has what was sent to it before. If it does not answer, what it has is read.
func (r *journalReader) sync(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	_ = exec.CommandContext(ctx, r.program, "--sync").Run()
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
	r.sync(ctx)
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args = append([]string{
		"--quiet", "--no-pager", "--output=export", "--output-fields=MESSAGE,PRIORITY,CONTAINER_PARTIAL_MESSAGE",
	}, args...)
	cmd := exec.CommandContext(ctx, r.program, append(args, "CONTAINER_ID_FULL="+r.o.ID)...)
	var said limited
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = r.entries(bufio.NewReaderSize(out, block), f)
	if err != nil {
		cancel() // it would wait for us to read
	}
	wait := cmd.Wait()
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case wait != nil:
		return &errdefs.Error{
			Op: "read", Kind: "journal", Class: errdefs.ErrUnavailable, Cause: fmt.Errorf("journalctl: %w: %s", wait, bytes.TrimSpace(said.text)),
			Hint: "try it by hand: journalctl CONTAINER_ID_FULL=" + r.o.ID,
		}
	}
	return nil
}

// limited keeps the beginning of what is written to it.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.text = append(l.text, p[:min(len(p), 512-len(l.text))]...)
	return len(p), nil
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

// readField reads one field; no name is the empty line behind an entry.
func readField(in *bufio.Reader) (name string, value []byte, err error) {
	line, err := readLine(in)
	if err != nil || len(line) == 0 {
		return "", nil, err
	}
	if n, v, ok := bytes.Cut(line, []byte{'='}); ok {
		return string(n), v, nil
	}
	var length [8]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return "", nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxRecord {
		return "", nil, errdefs.New(errdefs.ErrCorrupt, "journal", "", "a field of %d bytes", n)
	}
	value = make([]byte, n+1)
	_, err = io.ReadFull(in, value)
	return string(line), value[:n], err
}

// readLine reads one line of at most maxRecord bytes.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxRecord:
			return nil, errdefs.New(errdefs.ErrCorrupt, "journal", "", "a field of more than %d bytes", maxRecord)
		}
	}
}
