package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// logOptions are the global options of the log.
type logOptions struct{ path, format, level string }

// levels in the order of their weight.
const (
	levelError = iota
	levelWarning
	levelInfo
	levelDebug
)

var levelNames = []string{"error", "warning", "info", "debug"}

// logger writes lines that engines read: see the OCI log format of containerd and Podman. At the
// default level a log file gets one line, the error: Podman reads the file as a single object.
type logger struct {
	out   io.Writer
	json  bool
	level int
	// elsewhere says that it is not standard error, which then gets the error too.
	elsewhere bool
	// raw leaves time and level to the receiver (journal, syslog).
	raw func(level int, text string)
}

func (o *logOptions) open() (*logger, error) {
	l := &logger{out: os.Stderr, level: levelWarning}
	switch o.format {
	case "", "text":
	case "json":
		l.json = true
	default:
		return nil, errdefs.Invalid("--log-format", o.format, "want text or json")
	}
	if o.path != "" {
		l.level, l.elsewhere = levelError, true
	}
	if o.level != "" {
		l.level = slices.Index(levelNames, o.level)
		if l.level < 0 {
			return nil, errdefs.Invalid("--log-level", o.level, "want error, warning, info or debug")
		}
	}
	if kind, id, ok := strings.Cut(o.path, ":"); ok && (kind == "journald" || kind == "syslog") {
		return l, l.connect(kind, id)
	}
	if o.path == "" || o.path == "/dev/stderr" {
		l.elsewhere = false
		return l, nil
	}
	f, err := os.OpenFile(o.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|unix.O_NOCTTY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--log: %w", err)
	}
	l.out = f
	return l, nil
}

// write writes one line.
func (l *logger) write(level int, text string) {
	if level > l.level {
		return
	}
	now := time.Now().Format(time.RFC3339)
	switch {
	case l.raw != nil:
		l.raw(level, text)
	case l.json:
		b, _ := json.Marshal(struct {
			Level string `json:"level"`
			Msg   string `json:"msg"`
			Time  string `json:"time"`
		}{levelNames[level], text, now})
		_, _ = l.out.Write(append(b, '\n'))
	default:
		_, _ = fmt.Fprintf(l.out, "time=%q level=%s msg=%q\n", now, levelNames[level], text)
	}
}

// priorities of syslog(3) by level.
var priorities = []int{3, 4, 6, 7}

// connect sends lines to the journal or to syslog. Sources: systemd's journal native protocol; syslog(3).
func (l *logger) connect(kind, id string) error {
	address := "/run/systemd/journal/socket"
	if kind == "syslog" {
		address = "/dev/log"
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("--log %s: %w", kind, err)
	}
	l.raw = func(level int, text string) {
		text = strings.ReplaceAll(text, "\n", " ")
		if kind == "syslog" {
			const user = 1 << 3
			_, _ = fmt.Fprintf(conn, "<%d>%s[%d]: %s", user|priorities[level], id, os.Getpid(), text)
			return
		}
		_, _ = fmt.Fprintf(conn, "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=%s\n", text, priorities[level], id)
	}
	return nil
}
