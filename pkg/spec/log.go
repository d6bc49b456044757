package spec

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/journal"
)

// The log drivers, in the words of the monitor's protocol.
const (
	LogK8sFile  = "k8s-file"
	LogJSONFile = "json-file"
	LogJournald = "journald"
	LogNone     = "none"
	// LogPassthrough gives the container the streams of the program that starts it;
	// LogPassthroughTTY does so even if they are a terminal, which the container can then type into.
	LogPassthrough    = "passthrough"
	LogPassthroughTTY = "passthrough-tty"
)

const (
	// DefaultLogSize is the size in bytes at which a log file is rotated. Nothing grows without limit that
	// nobody asked to.
	DefaultLogSize = 128 << 20
	// DefaultLogFiles is how many files there are then at most.
	DefaultLogFiles = 2
	// maxLogFiles bounds the work of a rotation, which renames each.
	maxLogFiles = 100
	// maxLogLabels bounds the labels that go with every line, in bytes together.
	maxLogLabels = 4 << 10
)

// logOptions are the keys of --log-opt with the drivers that have a use for them.
var logOptions = map[string][]string{
	"path":     {LogK8sFile, LogJSONFile},
	"max-size": {LogK8sFile, LogJSONFile},
	"max-file": {LogK8sFile, LogJSONFile},
	"tag":      {LogJSONFile, LogJournald},
	"label":    {LogJSONFile, LogJournald},
}

const logOptionHint = "write path=FILE, max-size=10m, max-file=3, tag=TEXT or label=NAME=VALUE"

// IsPassthrough says that a driver keeps nothing because the container's streams are its starter's.
func (l *Log) IsPassthrough() bool {
	return l.Driver == LogPassthrough || l.Driver == LogPassthroughTTY
}

// IsFile says that the log is in files of its own.
func (l *Log) IsFile() bool { return l.Driver == LogK8sFile || l.Driver == LogJSONFile }

// log settles the log's driver and options.
func (d *decider) log() error {
	l := &d.cfg.Log
	if err := d.logDriver(); err != nil {
		return err
	}
	if l.IsFile() {
		l.MaxSize, l.MaxFile = max(d.def.LogSizeMax, 0), DefaultLogFiles
		if d.def.LogPath != "" {
			l.Path = filepath.Join(d.def.LogPath, d.cfg.ID, "ctr.log")
		}
	}
	if slices.Contains(logOptions["tag"], l.Driver) {
		l.Tag = d.def.LogTag
	}
	for _, word := range d.req.Log.Opt {
		if err := d.logOption(word); err != nil {
			return err
		}
	}
	return nil
}

// logOption takes one KEY=VALUE.
func (d *decider) logOption(word string) error {
	l := &d.cfg.Log
	k, v, ok := strings.Cut(word, "=")
	if !ok || v == "" {
		return errdefs.Invalid("--log-opt", word, "not KEY=VALUE").WithHint(logOptionHint)
	}
	drivers, known := logOptions[k]
	switch {
	case slices.Contains([]string{"compress", "labels", "labels-regex", "env", "env-regex", "mode", "max-buffer-size"}, k):
		return errdefs.Unsupported("--log-opt", "%s cannot be honoured by this version", k).WithHint(logOptionHint)
	case !known:
		return errdefs.Invalid("--log-opt", word, "unknown option").WithHint(logOptionHint)
	case !slices.Contains(drivers, l.Driver):
		return errdefs.Invalid("--log-opt", word, "the log driver %s has no %s", l.Driver, k).
			WithHint("leave it out, or write --log-driver %s", strings.Join(drivers, " or "))
	}
	switch k {
	case "path":
		l.Path = d.abs(v)
	case "max-size":
		return l.setMaxSize(v)
	case "max-file":
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxLogFiles {
			return errdefs.Invalid("--log-opt", word, "not a number from 1 to %d", maxLogFiles)
		}
		l.MaxFile = n
	case "tag":
		if hasControl(v) {
			return errdefs.Invalid("--log-opt", word, "control characters in the tag")
		}
		l.Tag = v
	case "label":
		return l.addLabel(word, v)
	}
	return nil
}

// setMaxSize takes a size; -1 and 0 are no limit, in Podman's words.
func (l *Log) setMaxSize(v string) error {
	if v == "-1" {
		v = "0"
	}
	n, err := ParseBytes("--log-opt max-size", v)
	if err == nil {
		l.MaxSize = n
	}
	return err
}

// addLabel takes NAME=VALUE, a field that goes with every line. The names are those that the journal
// allows a program to set. Source: systemd.journal-fields(7).
func (l *Log) addLabel(word, v string) error {
	name, value, ok := strings.Cut(v, "=")
	valid := ok && name != "" && name[0] >= 'A' && name[0] <= 'Z' && len(name) <= 64
	for _, c := range name {
		valid = valid && (c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_')
	}
	switch {
	case !valid:
		return errdefs.Invalid("--log-opt", word, "not label=NAME=VALUE with a name of A-Z, 0-9 and _ that begins with a letter")
	case hasControl(value):
		return errdefs.Invalid("--log-opt", word, "control characters in the value")
	case slices.Contains(reservedFields, name) || strings.HasPrefix(name, "CONTAINER_"):
		return errdefs.Invalid("--log-opt", word, "%s is set by the log driver itself", name).WithHint("use another name")
	case len(strings.Join(l.Labels, ""))+len(v) > maxLogLabels:
		return errdefs.Invalid("--log-opt", word, "the labels take more than %d bytes", maxLogLabels)
	}
	l.Labels = append(l.Labels, v)
	return nil
}

var errNoJournal = errors.New("there is no journal: " + journal.Socket + " does not exist")

// reservedFields are set with every line by the driver journald, besides those with CONTAINER_.
var reservedFields = []string{"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}

// logDriver takes the user's driver, or the administrator's, or the built-in one.
func (d *decider) logDriver() error {
	option, driver := "--log-driver", d.req.Log.Driver
	if driver == "" || (!d.req.Given("log-driver") && driver == LogK8sFile) {
		option, driver = "[containers] log_driver", d.def.LogDriver
	}
	if driver == "" {
		driver = LogK8sFile
	}
	switch driver {
	case LogK8sFile, LogJSONFile, LogNone:
	case LogJournald:
		if !d.host.Journal {
			return &errdefs.Error{
				Op: option, Kind: "journald", Class: errdefs.ErrUnsupported, Cause: errNoJournal,
				Hint: "start systemd-journald, or write --log-driver k8s-file",
			}
		}
	case LogPassthrough, LogPassthroughTTY:
		// A start by the restart policy has no caller whose streams there were.
		for _, other := range []struct {
			name string
			set  bool
		}{{"--tty", d.req.Process.TTY}, {"--attach", len(d.req.Life.Attach) > 0}, {"--restart", d.cfg.Life.Restart.Policy != ""}} {
			if other.set {
				return errdefs.Invalid(option, driver, "the container's streams are the caller's own, so %s is not possible", other.name).
					WithHint("leave %s out, or write --log-driver k8s-file", other.name)
			}
		}
	default:
		return errdefs.Invalid(option, driver, "unknown driver").WithHint("write k8s-file, json-file, journald, none, passthrough or passthrough-tty")
	}
	d.cfg.Log.Driver = driver
	return nil
}
