package spec

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// ImageHealth is an image's healthcheck. Zero values mean the defaults.
// Source: Docker image specification v1.2, "Healthcheck".
type ImageHealth struct {
	// Test is ["NONE"], ["CMD", arg…] or ["CMD-SHELL", command].
	Test                                          []string
	Interval, Timeout, StartPeriod, StartInterval time.Duration
	Retries                                       int
}

// Health is how a container's health is told.
type Health struct {
	Check HealthCheck `json:"check"`
	// Startup, if set, runs in place of Check until it has succeeded.
	Startup *HealthCheck `json:"startup,omitempty"`
	// StartPeriod is how long after the start failures of Check do not count; StartInterval its pause then, 0 the usual one.
	StartPeriod   time.Duration `json:"start_period,omitempty"`
	StartInterval time.Duration `json:"start_interval,omitempty"`
	// OnFailure is none, kill, stop or restart.
	OnFailure string `json:"on_failure"`
	// LogDirectory is an absolute directory for the record; "" keeps it with the container's state.
	LogDirectory string `json:"log_directory,omitempty"`
	// MaxLogCount is how many checks are remembered, MaxLogSize how many bytes of each one's output.
	MaxLogCount uint `json:"max_log_count"`
	MaxLogSize  uint `json:"max_log_size"`
}

// HealthCheck is one command.
type HealthCheck struct {
	// Test is ["CMD", arg…] or ["CMD-SHELL", command].
	Test []string `json:"test"`
	// Interval is the pause between two checks; 0 never runs it by itself.
	Interval time.Duration `json:"interval"`
	Timeout  time.Duration `json:"timeout"`
	// Retries is how many failures in a row count; 0, of a startup check, any number.
	Retries uint `json:"retries"`
	// Successes is how often a startup check has to succeed; 0 is once.
	Successes uint `json:"successes,omitempty"`
}

// The words of a test.
const (
	testNone  = "NONE"
	testCmd   = "CMD"
	testShell = "CMD-SHELL"
)

// Args are the program and arguments that carry a test out.
func (c *HealthCheck) Args() []string {
	if c.Test[0] == testShell {
		return append([]string{"/bin/sh", "-c"}, c.Test[1:]...)
	}
	return c.Test[1:]
}

// Defaults of the options. Source: Docker's and Podman's healthcheck options.
const (
	healthInterval = 30 * time.Second
	healthTimeout  = 30 * time.Second
	healthRetries  = 3
	// leastInterval is the shortest pause that an image may ask for: each check is a process.
	leastInterval = 100 * time.Millisecond
	// HealthMaxLogCount and HealthMaxLogSize bound the record of a container that says nothing else.
	HealthMaxLogCount = 5
	HealthMaxLogSize  = 500
	// healthMaxRecord bounds the whole record's output, in bytes: the monitor has it in memory.
	healthMaxRecord = 1 << 20
)

// health settles the healthcheck: the image's, with what the user says otherwise.
func (d *decider) health() error {
	req := &d.req.Health
	if req.None && req.Cmd != "" && req.Cmd != "none" {
		return errdefs.New(errdefs.ErrInvalid, "", "", "--health-cmd says the opposite").WithOp("--no-healthcheck").WithHint("leave one of them out")
	}
	h := newHealth()
	if img := d.img.Health; img != nil && !req.None {
		if len(img.Test) == 1 && img.Test[0] != testNone {
			d.warnf("the image's healthcheck has no command and is not run")
		} else {
			h.ofImage(img)
		}
	}
	if req.Cmd != "" {
		test, err := parseTest("--health-cmd", req.Cmd)
		if err != nil {
			return err
		}
		h.Check.Test = test
	}
	if req.None || len(h.Check.Test) == 0 || h.Check.Test[0] == testNone {
		return d.noHealth(h)
	}
	return d.settleHealth(h)
}

// newHealth has the defaults of all but the command.
func newHealth() *Health {
	return &Health{
		Check:     HealthCheck{Interval: healthInterval, Timeout: healthTimeout, Retries: healthRetries},
		OnFailure: "none", MaxLogCount: HealthMaxLogCount, MaxLogSize: HealthMaxLogSize,
	}
}

// settleHealth lays the options over h and makes it the container's.
func (d *decider) settleHealth(h *Health) error {
	for _, step := range []func(*Health) error{d.healthCheck, d.healthStartup, d.healthAction, d.healthLog} {
		if err := step(h); err != nil {
			return err
		}
	}
	if h.Restarts() && d.cfg.Life.Remove {
		option := "--health-on-failure"
		if h.OnFailure != "restart" {
			option = "--health-startup-retries"
		}
		return errdefs.New(errdefs.ErrInvalid, "", "", "--rm would remove the container before it is restarted").WithOp(option).WithHint("leave it or --rm out")
	}
	d.cfg.Health = h
	return nil
}

// Restarts says that the container may be restarted for its health. h may be nil.
func (h *Health) Restarts() bool {
	return h != nil && (h.OnFailure == "restart" || h.Startup != nil && h.Startup.Retries > 0)
}

// healthOptions are the options that change a healthcheck and make none.
var healthOptions = []string{
	"health-interval", "health-retries", "health-timeout", "health-start-period", "health-startup-cmd",
	"health-startup-interval", "health-startup-retries", "health-startup-success", "health-startup-timeout", "health-on-failure",
	"health-log-destination", "health-max-log-count", "health-max-log-size",
}

// noHealth refuses options that would have nothing to act on.
func (d *decider) noHealth(h *Health) error {
	if d.req.Health.None || len(h.Check.Test) > 0 {
		return nil // what the user or the image has switched off
	}
	for _, option := range healthOptions {
		if d.req.Given(option) {
			return errdefs.New(errdefs.ErrInvalid, "", "", "there is no healthcheck").WithOp("--" + option).WithHint("give one with --health-cmd")
		}
	}
	return nil
}

func (h *Health) ofImage(img *ImageHealth) {
	c := &h.Check
	c.Test = img.Test
	if img.Interval > 0 {
		c.Interval = max(img.Interval, leastInterval)
	}
	if img.Timeout > 0 {
		c.Timeout = img.Timeout
	}
	if img.Retries > 0 {
		c.Retries = uint(img.Retries)
	}
	h.StartPeriod = img.StartPeriod
	if h.StartPeriod > 0 && img.StartInterval > 0 {
		h.StartInterval = max(img.StartInterval, leastInterval)
	}
}

// healthCheck lays the options over the regular check.
func (d *decider) healthCheck(h *Health) (err error) {
	req, c := &d.req.Health, &h.Check
	if req.Interval != "" {
		if c.Interval, err = parseInterval("--health-interval", req.Interval); err != nil {
			return err
		}
	}
	if req.Timeout != "" {
		if c.Timeout, err = parseTimeout("--health-timeout", req.Timeout); err != nil {
			return err
		}
	}
	if req.StartPeriod != "" {
		if h.StartPeriod, err = parseSpan("--health-start-period", req.StartPeriod, 0); err != nil {
			return err
		}
	}
	if req.Retries != nil {
		if c.Retries = *req.Retries; c.Retries == 0 {
			return errdefs.Invalid("--health-retries", "0", "less than 1").WithHint("write how many failures in a row make the container unhealthy")
		}
	}
	return nil
}

// healthStartup lays the options over the startup check, which they may make or take away.
func (d *decider) healthStartup(h *Health) (err error) {
	req := &d.req.Health
	c := &HealthCheck{Interval: healthInterval, Timeout: healthTimeout}
	if h.Startup != nil {
		copied := *h.Startup
		c = &copied
	}
	if req.StartupCmd != "" {
		if c.Test, err = parseTest("--health-startup-cmd", req.StartupCmd); err != nil {
			return err
		}
	}
	if len(c.Test) == 0 {
		for _, option := range []string{"health-startup-interval", "health-startup-retries", "health-startup-success", "health-startup-timeout"} {
			if d.req.Given(option) {
				return errdefs.New(errdefs.ErrInvalid, "", "", "there is no startup check").WithOp("--" + option).WithHint("give one with --health-startup-cmd")
			}
		}
		return nil
	}
	if c.Test[0] == testNone {
		h.Startup = nil
		return nil
	}
	if req.StartupInterval != "" {
		if c.Interval, err = parseInterval("--health-startup-interval", req.StartupInterval); err != nil {
			return err
		}
	}
	if req.StartupTimeout != "" {
		if c.Timeout, err = parseTimeout("--health-startup-timeout", req.StartupTimeout); err != nil {
			return err
		}
	}
	if req.StartupRetries != nil {
		c.Retries = *req.StartupRetries
	}
	if req.StartupSuccess != nil {
		c.Successes = *req.StartupSuccess
	}
	h.Startup = c
	return nil
}

func (d *decider) healthAction(h *Health) error {
	switch action := d.req.Health.OnFailure; action {
	case "":
	case "none", "kill", "stop", "restart":
		h.OnFailure = action
	default:
		return errdefs.Invalid("--health-on-failure", action, "unknown action").WithHint("write none, kill, stop or restart")
	}
	return nil
}

func (d *decider) healthLog(h *Health) error {
	req := &d.req.Health
	if req.MaxLogCount != nil {
		h.MaxLogCount = *req.MaxLogCount
	}
	if req.MaxLogSize != nil {
		h.MaxLogSize = *req.MaxLogSize
	}
	for option, n := range map[string]uint{"--health-max-log-count": h.MaxLogCount, "--health-max-log-size": h.MaxLogSize} {
		if n == 0 {
			return errdefs.Unsupported(option, "0, a record without bound, cannot be honoured").WithHint("write a number from 1 on")
		}
		if n > healthMaxRecord {
			return errdefs.Invalid(option, fmt.Sprint(n), "more than %d", healthMaxRecord)
		}
	}
	if h.MaxLogCount*h.MaxLogSize > healthMaxRecord {
		return errdefs.Invalid("--health-max-log-count", fmt.Sprint(h.MaxLogCount), "with %d bytes each (--health-max-log-size) it is more than %d bytes",
			h.MaxLogSize, healthMaxRecord).WithHint("lower one of the two")
	}
	switch req.LogDestination {
	case "":
	case "local":
		h.LogDirectory = ""
	case "events_logger":
		return errdefs.Unsupported("--health-log-destination", "events_logger cannot be honoured by this version").WithHint("write local or a directory")
	default:
		dir := d.abs(req.LogDestination)
		if d.host.PathExists != nil && !d.host.PathExists(dir) {
			return errdefs.Invalid("--health-log-destination", req.LogDestination, "no such directory").WithHint("make it, or write local")
		}
		h.LogDirectory = filepath.Clean(dir)
	}
	return nil
}

// parseTest reads a command as Podman does: a JSON array, CMD or CMD-SHELL and words, or a shell's command line.
func parseTest(option, text string) ([]string, error) {
	bad := func(format string, args ...any) error {
		return errdefs.Invalid(option, text, format, args...).WithHint("write a command line, or a JSON array as [\"curl\",\"-f\",\"http://localhost\"]")
	}
	if strings.IndexByte(text, 0) >= 0 {
		return nil, bad("a NUL byte in the command")
	}
	var words []string
	if strings.HasPrefix(strings.TrimSpace(text), "[") && json.Unmarshal([]byte(text), &words) == nil {
		if len(words) == 0 {
			return nil, bad("empty")
		}
		switch strings.ToUpper(words[0]) {
		case testNone, testCmd, testShell:
			return wordedTest(words, bad)
		}
		if len(words) > 1 {
			return append([]string{testCmd}, words...), nil
		}
		text = words[0]
	}
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return nil, bad("empty")
	}
	switch strings.ToUpper(fields[0]) {
	case testNone, testCmd:
		return wordedTest(fields, bad)
	case testShell:
		_, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
		return wordedTest([]string{testShell, strings.TrimSpace(rest)}, bad)
	}
	return []string{testShell, text}, nil
}

// wordedTest checks a test that begins with its own word.
func wordedTest(words []string, bad func(string, ...any) error) ([]string, error) {
	words[0] = strings.ToUpper(words[0])
	switch {
	case words[0] == testNone:
		return []string{testNone}, nil
	case len(words) < 2 || words[1] == "":
		return nil, bad("%s without a command", words[0])
	}
	return words, nil
}

func parseInterval(option, text string) (time.Duration, error) {
	if text == "disable" || text == "0" {
		return 0, nil
	}
	return parseSpan(option, text, 0)
}

func parseTimeout(option, text string) (time.Duration, error) {
	return parseSpan(option, text, time.Second)
}

// parseSpan reads a duration of at least least.
func parseSpan(option, text string, least time.Duration) (time.Duration, error) {
	span, err := time.ParseDuration(text)
	if err != nil {
		return 0, errdefs.Invalid(option, text, "not a duration").WithHint("write a number with a unit, as 30s or 2m")
	}
	if span < least {
		return 0, errdefs.Invalid(option, text, "less than %s", least)
	}
	return span, nil
}

// sdNotify settles who tells a service manager that the container is ready.
func (d *decider) sdNotify() error {
	mode := d.req.Process.SdNotify
	switch mode {
	case "", "container", "conmon", "ignore":
	case "healthy":
		if d.cfg.Health == nil {
			return errdefs.Invalid("--sdnotify", mode, "there is no healthcheck").WithHint("give one with --health-cmd, or write --sdnotify=conmon")
		}
	default:
		return errdefs.Invalid("--sdnotify", mode, "unknown mode").WithHint("write container, conmon, healthy or ignore")
	}
	if mode != "container" {
		d.cfg.Process.SdNotify = mode
	}
	return nil
}
