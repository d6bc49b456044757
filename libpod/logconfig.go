package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/term"

	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/journal"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// logPath is the container's log file.
func (c *container) logPath() string {
	return first(c.cfg.Log.Path, filepath.Join(c.rt.paths.staticDir(c.row.ID), "ctr.log"))
}

// logDir is the directory that the container's log has to itself below the administrator's log_path, or "".
func (c *container) logDir() string {
	if dir := filepath.Dir(c.cfg.Log.Path); filepath.Base(dir) == c.row.ID {
		return dir
	}
	return ""
}

// logFiles is how many files the log has at most.
func (c *container) logFiles() int {
	if c.cfg.Log.MaxFile == 0 {
		return spec.DefaultLogFiles
	}
	return c.cfg.Log.MaxFile
}

// logConfig is what the monitor is told of the log.
func (c *container) logConfig() (monitor.LogConfig, error) {
	l := &c.cfg.Log
	m := monitor.LogConfig{Driver: l.Driver, Name: c.row.Name, Labels: l.Labels, Buffer: l.Buffer}
	switch {
	case l.IsPassthrough():
		m.Driver = monitor.LogNone
	case l.IsFile():
		m.Path, m.MaxSize, m.MaxFile = c.logPath(), l.MaxSize, c.logFiles()
	case l.Driver == spec.LogJournald:
		m.Path = journal.Socket
	}
	if l.Compress {
		m.Compress = append(c.rt.command("container", "cleanup", "--compress-log"), c.row.ID)
	}
	extra, err := l.ExtraFields(c.cfg.Labels, c.cfg.Process.Env)
	if err != nil {
		return m, err
	}
	m.Labels = append(slices.Clip(m.Labels), extra...)
	m.Tag, err = c.logTag()
	return m, err
}

// CompressLog compresses the log file that a container's monitor has just rotated.
func (r *Runtime) CompressLog(ctx context.Context, id string) error {
	c, err := r.load(ctx, id)
	if err != nil {
		return err
	}
	return logs.Compress(c.logPath() + ".1")
}

// maxLogTag bounds the tag of every line, in bytes.
const maxLogTag = 1 << 10

// logTag fills the tag's template with what inspect shows.
func (c *container) logTag() (string, error) {
	tag := c.cfg.Log.Tag
	if !strings.Contains(tag, "{{") {
		return tag, nil
	}
	wrong := func(why string) error {
		return errdefs.Invalid("--log-opt", "tag="+tag, "%s", why).WithHint("write text, or fields that inspect shows, as {{.Name}}")
	}
	t, err := template.New("tag").Option("missingkey=error").Parse(tag)
	if err != nil {
		return "", wrong(strings.TrimPrefix(err.Error(), "template: tag:"))
	}
	var b strings.Builder
	if err := t.Execute(&b, newInspectData(Record{Config: c.cfg, State: c.row.State}, inspectFacts{})); err != nil {
		return "", wrong("a field in it is not one that inspect shows")
	}
	if b.Len() > maxLogTag || strings.ContainsFunc(b.String(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", wrong(fmt.Sprintf("it becomes longer than %d bytes or has control characters", maxLogTag))
	}
	return b.String(), nil
}

// ownStdio is what a driver that passes through gives the container: this process's own streams. None for
// the other drivers.
func (c *container) ownStdio() ([3]*os.File, error) {
	if !c.cfg.Log.IsPassthrough() {
		return [3]*os.File{}, nil
	}
	own := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	for _, f := range own {
		if c.cfg.Log.Driver == spec.LogPassthrough && term.IsTerminal(int(f.Fd())) {
			return own, &errdefs.Error{
				Op: "--log-driver", Kind: "passthrough", Class: errdefs.ErrInvalid,
				Cause: errors.New("a stream of this command is a terminal, which the container could type into"),
				Hint:  "redirect all three, as systemd does, or write --log-driver passthrough-tty if the container is trusted",
			}
		}
	}
	return own, nil
}
