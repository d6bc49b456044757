package server

import (
	"bytes"
	"os"
	"time"

	"github.com/manager-project/manager/pkg/monitor"
)

// logger keeps output. Its methods run in the loop and never wait for more than the disk, or
// journalPatience.
type logger interface {
	write(k monitor.Kind, p []byte)
	close()
}

type noLog struct{}

func (noLog) write(monitor.Kind, []byte) {}
func (noLog) close()                     {}

const (
	// maxLine is the longest text of one record, in bytes; longer lines become several, all but the
	// last marked partial. A record of it fits the scratch buffer also when every byte needs six.
	maxLine = 8 << 10
	// partialAfter is how long a line without its end is kept before it is written as it is.
	partialAfter = 100 * time.Millisecond
)

// keeper takes the records of a log.
type keeper interface {
	// begin comes before the records of one piece of output, flush after them.
	begin()
	flush()
	// emit takes head and tail, one line's text, as a record. full says that the line ends here.
	emit(k monitor.Kind, now time.Time, head, tail []byte, full bool)
	// cut is how much of an unfinished text may be written now, at most len(text).
	cut(text []byte) int
	close()
}

// lineLog makes records of output: a line each. Memory is bounded: per stream the beginning of a
// line.
type lineLog struct {
	keeper
	pending [2][]byte
	after   func(time.Duration, func())
	armed   bool
	closed  bool
}

// lostFunc is told of n bytes of output that a log will not have, and why.
type lostFunc func(n int, why string)

// openLog opens the container's log. after calls a function in the goroutine that writes; lost may be called from
// another.
func openLog(c *monitor.Config, b *buffer, after func(time.Duration, func()), lost lostFunc) (logger, error) {
	if c.Log.Buffer > 0 && c.Log.Driver != monitor.LogNone {
		return openBuffered(c, lost)
	}
	return openDirect(c, b, after, lost)
}

func openDirect(c *monitor.Config, b *buffer, after func(time.Duration, func()), lost lostFunc) (logger, error) {
	var k keeper
	var err error
	switch c.Log.Driver {
	case monitor.LogNone, "":
		return noLog{}, nil
	case monitor.LogK8sFile:
		k, err = openFile(c, k8sFormat{}, b, lost)
	case monitor.LogJSONFile:
		k, err = openFile(c, newJSONFormat(&c.Log), b, lost)
	case monitor.LogJournald:
		k, err = openJournal(c, b, lost)
	default:
		err = os.ErrInvalid
	}
	if err != nil {
		return nil, err
	}
	return &lineLog{keeper: k, after: after}, nil
}

// write takes one piece of output.
func (l *lineLog) write(k monitor.Kind, p []byte) {
	l.begin()
	now := time.Now().UTC()
	held := &l.pending[streamIndex(k)]
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i >= 0 && len(*held)+i <= maxLine {
			l.emit(k, now, *held, p[:i], true)
			*held = (*held)[:0]
			p = p[i+1:]
			continue
		}
		n := len(p)
		if i >= 0 {
			n = i
		}
		n = min(n, maxLine-len(*held))
		*held = append(*held, p[:n]...)
		p = p[n:]
		if len(*held) >= maxLine {
			l.emitPartial(k, now)
		}
	}
	l.flush()
	if len(*held) > 0 {
		l.armPartial()
	} else {
		*held = nil
	}
}

func streamIndex(k monitor.Kind) int {
	if k == monitor.KindStderr {
		return 1
	}
	return 0
}

// emitPartial writes what is held of a line, but for a character whose end is still to come.
func (l *lineLog) emitPartial(k monitor.Kind, now time.Time) {
	held := &l.pending[streamIndex(k)]
	n := l.cut(*held)
	if n > 0 {
		l.emit(k, now, (*held)[:n], nil, false)
		*held = append((*held)[:0], (*held)[n:]...)
	}
}

func (l *lineLog) armPartial() {
	if l.armed {
		return
	}
	l.armed = true
	l.after(partialAfter, func() {
		l.armed = false
		if l.closed {
			return
		}
		l.begin()
		now := time.Now().UTC()
		l.emitPartial(monitor.KindStdout, now)
		l.emitPartial(monitor.KindStderr, now)
		l.flush()
	})
}

// close writes lines that never got an end.
func (l *lineLog) close() {
	if l.closed {
		return
	}
	l.closed = true
	l.begin()
	now := time.Now().UTC()
	for i, k := range []monitor.Kind{monitor.KindStdout, monitor.KindStderr} {
		if len(l.pending[i]) > 0 {
			l.emit(k, now, l.pending[i], nil, false)
			l.pending[i] = nil
		}
	}
	l.flush()
	l.keeper.close()
}
