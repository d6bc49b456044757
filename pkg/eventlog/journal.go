package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/journal"
)

// The fields of an event in the journal. JournalEvent has the whole of it as in a file's line; the others are for who
// asks the journal itself, as with "journalctl MANAGER_EVENT_STATUS=died".
const (
	JournalEvent = "MANAGER_EVENT"
	JournalStore = "MANAGER_EVENT_STORE"
)

// journalPatience is how long the journal may take until it has room.
const journalPatience = time.Second

// send adds an event to the journal. Text that is not one line is left out of the fields but JournalEvent, whose JSON is.
func (l Log) send(e *Event) error {
	line := bytes.TrimSuffix(e.line(), []byte{'\n'})
	text := e.Type + " " + e.Status
	if e.Name != "" {
		text += " " + e.Name
	}
	out := journal.AppendField(nil, "PRIORITY", "6")
	for _, f := range [][2]string{
		{"SYSLOG_IDENTIFIER", "manager"},
		{"MESSAGE", text},
		{JournalStore, l.Store},
		{"MANAGER_EVENT_TYPE", e.Type},
		{"MANAGER_EVENT_STATUS", e.Status},
		{"MANAGER_EVENT_ID", e.ID},
		{"MANAGER_EVENT_NAME", e.Name},
		{"MANAGER_EVENT_IMAGE", e.Image},
		{"MANAGER_EVENT_HEALTH", e.HealthStatus},
		{"MANAGER_EVENT_ERROR", e.Error},
	} {
		if f[1] != "" && !strings.ContainsRune(f[1], '\n') {
			out = journal.AppendField(out, f[0], f[1])
		}
	}
	if e.ContainerExitCode != nil {
		out = journal.AppendField(out, "MANAGER_EVENT_EXIT_CODE", strconv.Itoa(*e.ContainerExitCode))
	}
	if err := l.deliver(journal.AppendBytes(out, JournalEvent, line)); err != nil {
		return fmt.Errorf("journal %s: %w", l.Journal, err)
	}
	return nil
}

func (l Log) deliver(record []byte) error {
	fd, err := journal.Dial(l.Journal)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for end := time.Now().Add(journalPatience); ; {
		err := journal.Send(fd, record)
		left := time.Until(end)
		if !errors.Is(err, unix.EAGAIN) || left <= 0 {
			return err
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(left.Milliseconds())+1)
	}
}

// Parse reads an event as it is kept; one without a status is none.
func Parse(line []byte) Event { return parse(line) }

// Wanted says that an event is of the time that is asked for.
func (o *ReadOptions) Wanted(e *Event) bool {
	at := e.When()
	return !at.Before(o.Since) && (o.Until.IsZero() || at.Before(o.Until))
}
