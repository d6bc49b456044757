package container

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/libpod/logs"
)

// logPrinter writes the lines of containers, each stream to the caller's of the same name.
// It is safe for concurrent use.
type logPrinter struct {
	app        *command.App
	timestamps bool

	mu sync.Mutex
	// open holds, by stream, the label of the container whose last line there is unfinished.
	open map[string]string
}

// print writes one record. The rest of a line follows its beginning without another label
// and time, unless another container has written meanwhile.
func (p *logPrinter) print(label string, line logs.Line) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	before, unfinished := p.open[line.Stream]
	if unfinished && before != label {
		b.WriteByte('\n')
		unfinished = false
	}
	if !unfinished {
		b.WriteString(label)
		if p.timestamps {
			b.WriteString(line.Time.Format(time.RFC3339Nano))
			b.WriteByte(' ')
		}
	}
	b.Write(line.Text)
	if line.Partial {
		if p.open == nil {
			p.open = map[string]string{}
		}
		p.open[line.Stream] = label
	} else {
		delete(p.open, line.Stream)
		b.WriteByte('\n')
	}
	out := p.app.Out
	if line.Stream == "stderr" {
		out = p.app.Err
	}
	_, err := fmt.Fprint(out, b.String())
	return err
}
