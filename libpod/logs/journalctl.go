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
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// findJournalctl finds the program that reads the journal.
func findJournalctl() (string, error) {
	program, err := exec.LookPath("journalctl")
	if err != nil {
		return "", &errdefs.Error{
			Op: "read", Kind: "journal", Class: errdefs.ErrUnavailable, Cause: errors.New("there is no journalctl in $PATH"),
			Hint: "install it; it is a part of systemd",
		}
	}
	return program, nil
}

// syncLimit bounds the wait for the journal to take in what was sent to it.
const syncLimit = 10 * time.Second

// syncJournal waits until the journal has what was sent to it before. If it does not answer, what it has is read.
func syncJournal(ctx context.Context, program string) {
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	_ = exec.CommandContext(ctx, program, "--sync").Run()
}

// journalctl has read take the entries that match, in the export format, until the program ends, read fails, or ctx ends.
func journalctl(ctx context.Context, program string, args, match []string, read func(*bufio.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args = append([]string{"--quiet", "--no-pager", "--output=export"}, args...)
	cmd := exec.CommandContext(ctx, program, append(args, match...)...)
	var said limited
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = read(bufio.NewReaderSize(out, block))
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
			Hint: journalHint(said.text, match),
		}
	}
	return nil
}

// journalHint says what to do when journalctl has failed with those words. A journal in memory is root's alone; in one on disk,
// users have files of their own. Source: journald.conf(5), "SplitMode=".
func journalHint(said []byte, match []string) string {
	if bytes.Contains(said, []byte("insufficient permissions")) {
		return "have root keep the journal on disk (mkdir /var/log/journal; systemctl restart systemd-journald), where users may read what is theirs, " +
			"or add you to the group systemd-journal"
	}
	return "try it by hand: journalctl " + strings.Join(match, " ")
}

// JournalQuery asks for one field of the journal's entries.
type JournalQuery struct {
	Field string
	// Match are NAME=VALUE, all of which an entry has.
	Match []string
	// Since leaves out what came in before; whole seconds count, and zero means nothing.
	Since time.Time
	// Follow goes on until Until, zero meaning never, or the context's end.
	Follow bool
	Until  time.Time
}

// ReadJournal calls f for the field's values, in the journal's order; a value is f's own. One that follows ends without
// an error: at Until when it has read what came before, at the context's end at once.
func ReadJournal(ctx context.Context, q JournalQuery, f func(value []byte) error) error {
	program, err := findJournalctl()
	if err != nil {
		return err
	}
	if !q.Follow {
		syncJournal(ctx, program)
	}
	cursor := ""
	run := func(ctx context.Context, args ...string) error {
		return journalctl(ctx, program, append([]string{"--output-fields=" + q.Field}, args...), q.Match, func(in *bufio.Reader) error {
			return fieldValues(in, q.Field, &cursor, f)
		})
	}
	var from []string
	if !q.Since.IsZero() {
		from = []string{"--since=@" + strconv.FormatInt(q.Since.Unix(), 10)}
	}
	if q.Follow {
		running, cancel := context.WithCancel(ctx)
		if !q.Until.IsZero() {
			running, cancel = context.WithDeadline(ctx, q.Until)
		}
		err := run(running, append([]string{"--follow", "--no-tail"}, from...)...)
		if running.Err() != nil {
			err = nil // it was ended
		}
		cancel()
		if err != nil || ctx.Err() != nil {
			return err
		}
		if cursor != "" {
			from = []string{"--after-cursor=" + cursor}
		}
		syncJournal(ctx, program)
	}
	return run(ctx, from...)
}

// fieldValues takes one field, and the place, of each entry.
func fieldValues(in *bufio.Reader, field string, cursor *string, f func(value []byte) error) error {
	at := ""
	var found []byte
	for {
		name, value, err := readField(in)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		case name == "__CURSOR":
			at = string(value)
		case name == field:
			found = value
		case name == "" && at != "":
			*cursor = at
			if found != nil {
				if err := f(found); err != nil {
					return err
				}
			}
			at, found = "", nil
		}
	}
}

// limited keeps the beginning of what is written to it.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.text = append(l.text, p[:min(len(p), 512-len(l.text))]...)
	return len(p), nil
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
