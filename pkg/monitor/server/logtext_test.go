package server

import (
	"context"
	"strings"

	"github.com/manager-project/manager/libpod/logs"
)

// logText is one stream's text as the log has it, read with the reader that users have.
func (f *fixture) logText(stream string) string {
	f.t.Helper()
	var b strings.Builder
	o := logs.Options{Path: f.opts.Config.Log.Path, Files: f.opts.Config.Log.MaxFile, Driver: f.opts.Config.Log.Driver, Tail: logs.All}
	err := logs.Read(context.Background(), o, func(l logs.Line) error {
		if l.Stream == stream {
			b.Write(l.Text)
			if !l.Partial {
				b.WriteByte('\n')
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return b.String()
}
