package container

import (
	"bufio"
	"io"
	"sync"
	"time"

	"github.com/manager-project/manager/libpod/logs"
)

// logPrinter writes the lines of containers, each stream to the caller's of the same name.
// It is safe for concurrent use.
type logPrinter struct {
	timestamps bool

	mu sync.Mutex
	// out gathers what is for one stream, last: another one's turn, and flush, write it.
	out    map[string]*bufio.Writer
	last   *bufio.Writer
	stamps []byte
	// open holds, by stream, the label of the container whose last line there is unfinished.
	open map[string]string
}

// printBuffer is how much is written at once, in bytes: a log is read much faster than lines can be
// written one by one.
const printBuffer = 64 << 10

func newLogPrinter(out, err io.Writer, timestamps bool) *logPrinter {
	return &logPrinter{
		timestamps: timestamps, open: map[string]string{},
		out: map[string]*bufio.Writer{"stdout": bufio.NewWriterSize(out, printBuffer), "stderr": bufio.NewWriterSize(err, printBuffer)},
	}
}

// print writes one record. The rest of a line follows its beginning without another label
// and time, unless another container has written meanwhile.
func (p *logPrinter) print(label string, line logs.Line) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.out[line.Stream]
	if p.last != nil && p.last != w {
		// Where both are one terminal, the order of writing counts.
		if err := p.last.Flush(); err != nil {
			return err
		}
	}
	p.last = w
	before, unfinished := p.open[line.Stream]
	if unfinished && before != label {
		_ = w.WriteByte('\n')
		unfinished = false
	}
	if !unfinished {
		_, _ = w.WriteString(label)
		if p.timestamps {
			p.stamps = append(line.Time.AppendFormat(p.stamps[:0], time.RFC3339Nano), ' ')
			_, _ = w.Write(p.stamps)
		}
	}
	_, err := w.Write(line.Text)
	if line.Partial {
		p.open[line.Stream] = label
		return err
	}
	delete(p.open, line.Stream)
	return w.WriteByte('\n') // it has the error of a write before, too
}

// flush writes what is gathered.
func (p *logPrinter) flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		return nil
	}
	return p.last.Flush()
}
