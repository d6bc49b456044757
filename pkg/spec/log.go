package spec

import (
	"errors"
	"maps"
	"path/filepath"
	"regexp"
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
	// Docker's.
	"labels":          {LogJSONFile, LogJournald},
	"labels-regex":    {LogJSONFile, LogJournald},
	"env":             {LogJSONFile, LogJournald},
	"env-regex":       {LogJSONFile, LogJournald},
	"compress":        {LogK8sFile, LogJSONFile},
	"mode":            {LogK8sFile, LogJSONFile, LogJournald},
	"max-buffer-size": {LogK8sFile, LogJSONFile, LogJournald},
}

const logOptionHint = "write path=FILE, max-size=10m, max-file=3, compress=true, mode=non-blocking, max-buffer-size=1m, tag=TEXT, " +
	"label=NAME=VALUE, labels=KEY,…, labels-regex=EXPR, env=KEY,… or env-regex=EXPR"

const (
	// defaultLogBuffer is the buffer of mode=non-blocking, in bytes, as Docker's; maxLogBuffer bounds it, since it is
	// the monitor's memory.
	defaultLogBuffer = 1 << 20
	maxLogBuffer     = 64 << 20
)

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
	given := map[string]string{}
	for _, word := range d.req.Log.Opt {
		if err := d.logOption(word); err != nil {
			return err
		}
		k, v, _ := strings.Cut(word, "=")
		given[k] = v
	}
	switch {
	case l.Compress && (l.MaxFile < 2 || l.MaxSize == 0):
		return errdefs.Invalid("--log-opt", "compress="+given["compress"], "no file is rotated and kept").WithHint("give max-size and a max-file of 2 or more")
	case given["max-buffer-size"] != "" && given["mode"] != modeNonBlocking:
		return errdefs.Invalid("--log-opt", "max-buffer-size="+given["max-buffer-size"], "there is no buffer").WithHint("give mode=%s too", modeNonBlocking)
	case given["max-buffer-size"] == "" && given["mode"] == modeNonBlocking:
		l.Buffer = defaultLogBuffer
	}
	return nil
}

// modeNonBlocking keeps the container from waiting for its log, and loses what the log is too slow for.
const modeNonBlocking = "non-blocking"

// logOption takes one KEY=VALUE.
func (d *decider) logOption(word string) error {
	l := &d.cfg.Log
	k, v, ok := strings.Cut(word, "=")
	if !ok || v == "" {
		return errdefs.Invalid("--log-opt", word, "not KEY=VALUE").WithHint(logOptionHint)
	}
	drivers, known := logOptions[k]
	switch {
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
	default:
		return l.dockerOption(k, v, word)
	}
	return nil
}

// dockerOption takes one of those that Docker has and Podman has not. Source: Docker, "JSON File logging driver",
// "Journald logging driver", "Configure the delivery mode of log messages".
func (l *Log) dockerOption(k, v, word string) (err error) {
	switch k {
	case "labels", "env":
		for key := range strings.SplitSeq(v, ",") {
			if name := JournalField(key); l.Driver == LogJournald && reserved(name) {
				return errdefs.Invalid("--log-opt", word, "%s would be the field %q, which is set by the log driver itself", key, name).WithHint("leave it out")
			}
			if k == "env" {
				l.FromEnv = append(l.FromEnv, key)
			} else {
				l.FromLabels = append(l.FromLabels, key)
			}
		}
	case "labels-regex", "env-regex":
		if _, err := regexp.Compile(v); err != nil {
			return errdefs.Invalid("--log-opt", word, "%w", err).WithHint("write a regular expression, as ^MY_")
		}
		if k == "env-regex" {
			l.EnvRegex = v
		} else {
			l.LabelsRegex = v
		}
	case "compress":
		if l.Compress, err = strconv.ParseBool(v); err != nil {
			return errdefs.Invalid("--log-opt", word, "neither true nor false").WithHint("write compress=true or compress=false")
		}
	case "mode":
		if v != modeNonBlocking && v != "blocking" {
			return errdefs.Invalid("--log-opt", word, "unknown mode").WithHint("write blocking or %s", modeNonBlocking)
		}
	case "max-buffer-size":
		n, err := ParseBytes("--log-opt max-buffer-size", v)
		if err != nil {
			return err
		}
		if n < 1 || n > maxLogBuffer {
			return errdefs.Invalid("--log-opt", word, "not from 1 to %d bytes", maxLogBuffer).WithHint("write a size, as 4m")
		}
		l.Buffer = n
	}
	return nil
}

// DockerOptions are those of Docker's options that were given, nil for none.
func (l *Log) DockerOptions() map[string]string {
	given := map[string]string{
		"labels": strings.Join(l.FromLabels, ","), "env": strings.Join(l.FromEnv, ","), "labels-regex": l.LabelsRegex, "env-regex": l.EnvRegex,
	}
	if l.Compress {
		given["compress"] = "true"
	}
	if l.Buffer > 0 {
		given["mode"], given["max-buffer-size"] = modeNonBlocking, strconv.FormatInt(l.Buffer, 10)
	}
	maps.DeleteFunc(given, func(_, v string) bool { return v == "" })
	if len(given) == 0 {
		return nil
	}
	return given
}

// JournalField is the field of the journal that a label or variable becomes, "" for one that none can be made of.
func JournalField(key string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
	if name = strings.TrimLeft(name, "_0123456789"); len(name) > 64 {
		return ""
	}
	return name
}

// ExtraFields are what goes with every line of labels and variables of the container (KEY=VALUE), in the driver's
// names and the order of the keys.
func (l *Log) ExtraFields(labels map[string]string, env []string) ([]string, error) {
	fields := map[string]string{}
	pick := func(keys []string, expr string, values map[string]string) error {
		re, err := regexp.Compile(expr)
		if err != nil {
			return err
		}
		for k, v := range values {
			if !slices.Contains(keys, k) && (expr == "" || !re.MatchString(k)) {
				continue
			}
			if l.Driver == LogJournald {
				k = JournalField(k)
			}
			if k != "" && (l.Driver != LogJournald || !reserved(k)) {
				fields[k] = v
			}
		}
		return nil
	}
	variables := map[string]string{}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		variables[k] = v
	}
	if err := errors.Join(pick(l.FromLabels, l.LabelsRegex, labels), pick(l.FromEnv, l.EnvRegex, variables)); err != nil {
		return nil, err
	}
	list, size := []string{}, 0
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		list = append(list, k+"="+fields[k])
		size += len(list[len(list)-1])
	}
	if size > maxLogLabels {
		return nil, errdefs.New(errdefs.ErrInvalid, "", "--log-opt", "the labels and variables that go with every line take %d bytes, more than %d", size, maxLogLabels).
			WithHint("choose fewer of them")
	}
	return list, nil
}

// reserved says that a field is the journal's or the driver's own, or no name.
func reserved(name string) bool {
	return name == "" || slices.Contains(reservedFields, name) || strings.HasPrefix(name, "CONTAINER_")
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
	case reserved(name):
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
