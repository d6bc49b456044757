package server

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	wire "github.com/manager-project/manager/pkg/journal"
	"github.com/manager-project/manager/pkg/monitor"
)

// journalPatience is how long the journal may take until it has room for a line. After that lines are
// dropped, without waiting, until it has: a container does not stand still because the journal does.
const journalPatience = time.Second

// journal sends records to the system's journal, each as one datagram of fields. The fields are those of
// conmon and Docker, so that whatever reads their logs reads ours.
// Source: systemd, "Native Journal Protocol"; conmon, ctr_logging.c.
type journal struct {
	path string
	fd   int
	buf  *buffer
	out  []byte
	// fields are those that every record has; about is the same without the full id, which is what
	// readers pick a container's output by.
	fields, about []byte
	// stalled says that the journal had no room for longer than journalPatience; lost counts the
	// lines that it has not got.
	stalled bool
	lost    int
	// tell is told of the bytes.
	tell lostFunc
}

func openJournal(c *monitor.Config, b *buffer, tell lostFunc) (*journal, error) {
	j := &journal{path: c.Log.Path, buf: b, fd: -1, tell: tell}
	short := c.ID[:min(len(c.ID), 12)]
	identifier := short
	j.about = wire.AppendField(j.about, "CONTAINER_ID", short)
	if c.Log.Name != "" {
		j.about = wire.AppendField(j.about, "CONTAINER_NAME", c.Log.Name)
		identifier = c.Log.Name
	}
	j.fields = wire.AppendField(append(j.fields, j.about...), "CONTAINER_ID_FULL", c.ID)
	if c.Log.Tag != "" {
		j.fields = wire.AppendField(j.fields, "CONTAINER_TAG", c.Log.Tag)
		identifier = c.Log.Tag
	}
	j.fields = wire.AppendField(j.fields, "SYSLOG_IDENTIFIER", identifier)
	for _, label := range c.Log.Labels {
		name, value, _ := strings.Cut(label, "=")
		j.fields = wire.AppendBytes(j.fields, name, []byte(value)) // the value of a variable may have any bytes
	}
	return j, j.connect()
}

func (j *journal) connect() error {
	fd, err := wire.Dial(j.path)
	if err != nil {
		return err
	}
	j.close()
	j.fd = fd
	return nil
}

func (j *journal) begin()              { j.out = j.buf.scratch() }
func (j *journal) flush()              {}
func (j *journal) cut(text []byte) int { return len(text) }

// emit sends one record.
func (j *journal) emit(k monitor.Kind, _ time.Time, head, tail []byte, full bool) {
	// Of syslog's levels, informational and error.
	priority := "PRIORITY=6\n"
	if k == monitor.KindStderr {
		priority = "PRIORITY=3\n"
	}
	out := append(append(j.out[:0], j.fields...), priority...)
	if !full {
		out = append(out, "CONTAINER_PARTIAL_MESSAGE=true\n"...)
	}
	out = wire.AppendBytes(out, "MESSAGE", head, tail)
	if err := j.deliver(out); err != nil {
		j.lost++
		n := len(head) + len(tail)
		if full {
			n++ // its newline
		}
		j.tell(n, err.Error())
		return
	}
	j.stalled = false
	if j.lost > 0 {
		out = append(append(j.out[:0], j.about...), "PRIORITY=4\nSYSLOG_IDENTIFIER=manager-monitor\nMESSAGE=lines that the journal had no room for: "...)
		if j.deliver(append(strconv.AppendInt(out, int64(j.lost), 10), '\n')) == nil {
			j.lost = 0
		}
	}
}

// errNoRoom says that the journal does not read what it is sent.
var errNoRoom = errors.New("the journal has no room")

// deliver sends one datagram and says why the journal has it not.
func (j *journal) deliver(p []byte) error {
	for again := false; ; {
		err := wire.Send(j.fd, p)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EAGAIN):
			if j.stalled || !j.waitForRoom() {
				j.stalled = true
				return errNoRoom
			}
		default:
			// The journal was started anew.
			if again || j.connect() != nil {
				return fmt.Errorf("the journal does not answer: %w", err)
			}
			again = true
		}
	}
}

// waitForRoom waits until the journal reads, but not for long.
func (j *journal) waitForRoom() bool {
	for end := time.Now().Add(journalPatience); ; {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(j.fd), Events: unix.POLLOUT}}, int(left.Milliseconds())+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return true // whatever it is, sending says it
		}
	}
}

func (j *journal) close() {
	if j.fd >= 0 {
		_ = unix.Close(j.fd)
		j.fd = -1
	}
}
