package container

import (
	"testing"
	"time"

	"github.com/manager-project/manager/libpod/logs"
)

func TestLogPrinter(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	type record struct {
		label, stream, text string
		partial             bool
	}
	for name, c := range map[string]struct {
		timestamps bool
		records    []record
		out, err   string
	}{
		"streams":           {false, []record{{"", "stdout", "o", false}, {"", "stderr", "e", false}}, "o\n", "e\n"},
		"label and time":    {true, []record{{"a ", "stdout", "o", false}}, "a 2026-01-02T03:04:05.000000006Z o\n", ""},
		"parts of one line": {true, []record{{"a ", "stdout", "1", true}, {"a ", "stdout", "2", true}, {"a ", "stdout", "3", false}, {"a ", "stdout", "4", false}}, "a 2026-01-02T03:04:05.000000006Z 123\na 2026-01-02T03:04:05.000000006Z 4\n", ""},
		"unfinished":        {false, []record{{"", "stdout", "prompt", true}}, "prompt", ""},
		"another meanwhile": {false, []record{{"a ", "stdout", "1", true}, {"b ", "stdout", "x", false}, {"a ", "stdout", "2", false}}, "a 1\nb x\na 2\n", ""},
		"other stream":      {false, []record{{"a ", "stdout", "1", true}, {"a ", "stderr", "x", false}, {"a ", "stdout", "2", false}}, "a 12\n", "a x\n"},
	} {
		_, out, errOut := newApp()
		p := newLogPrinter(out, errOut, c.timestamps)
		for _, r := range c.records {
			if err := p.print(r.label, logs.Line{Time: at, Stream: r.stream, Text: []byte(r.text), Partial: r.partial}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.flush(); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.out || errOut.String() != c.err {
			t.Errorf("%s: got %q and %q, want %q and %q", name, out, errOut, c.out, c.err)
		}
	}
}
