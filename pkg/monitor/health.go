package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// HealthFile is the run directory's record of a container's health, unless HealthConfig.Path names another.
const HealthFile = "health.json"

// HealthConfig says how a container's health is told. The monitor starts each check itself, as exec would.
type HealthConfig struct {
	// Check tells the health.
	Check HealthCheck `json:"check"`
	// Startup, if set, is run in its place until it has succeeded often enough.
	Startup *HealthCheck `json:"startup,omitempty"`
	// StartPeriod is how long after the start failures of Check do not count.
	StartPeriod time.Duration `json:"start_period,omitempty"`
	// StartInterval is Check's pause while it is in StartPeriod and has not succeeded; 0 is its usual one.
	StartInterval time.Duration `json:"start_interval,omitempty"`
	// OnFailure is one of the HealthAct constants, done when the container becomes unhealthy.
	OnFailure string `json:"on_failure,omitempty"`
	// Path is the absolute file of the Health record, written anew after each check.
	Path string `json:"path"`
	// MaxLog is how many checks the record keeps, MaxOutput how many bytes of each one's output.
	MaxLog    int `json:"max_log"`
	MaxOutput int `json:"max_output"`
}

// HealthCheck is a command that tells by its exit code whether the container works.
type HealthCheck struct {
	Probe
	// Interval is the pause between the end of one check and the next, the first of which comes at
	// once. 0 runs it only when it is asked for.
	Interval time.Duration `json:"interval,omitempty"`
	// Timeout ends a check, which has then failed.
	Timeout time.Duration `json:"timeout"`
	// Retries is how many failures in a row make the container unhealthy; for a startup check, how
	// many failures end its patience, 0 meaning that it never ends.
	Retries uint `json:"retries,omitempty"`
	// Successes is how often a startup check has to succeed; 0 is once.
	Successes uint `json:"successes,omitempty"`
}

// Probe is a process that is started in the running container again and again. One of the two is set; the runtime fills it in.
type Probe struct {
	// Plan is an encoded plan with Join. Namespaces are those of the init, the cgroup is that of the launch.
	Plan []byte `json:"plan,omitempty"`
	// External makes the process by an external runtime's command.
	External *External `json:"external,omitempty"`
}

// What is done about a container that is unhealthy.
const (
	HealthActNone    = "none"
	HealthActKill    = "kill"
	HealthActStop    = "stop"
	HealthActRestart = "restart"
)

// Healths, as Podman and Docker word them.
const (
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// Health is where a container stands, with the latest checks, oldest first. The fields are Podman's.
type Health struct {
	// Status is one of the Health constants; "" for a container that has no check or was never started.
	Status string `json:"Status"`
	// FailingStreak is how many of the latest checks failed in a row.
	FailingStreak int `json:"FailingStreak"`
	// Log is null when there are none.
	Log []HealthResult `json:"Log"`
}

// HealthResult is how one check went.
type HealthResult struct {
	// Start and End are RFC 3339 times with nanoseconds.
	Start string `json:"Start"`
	End   string `json:"End"`
	// ExitCode is the command's; -1 for one that ran into its timeout, 126 or 127 for one that could not be executed.
	ExitCode int `json:"ExitCode"`
	// Output is the beginning of what it printed.
	Output string `json:"Output"`
}

// ReadHealth reads a health record, with the classes of ReadLive.
func ReadHealth(path string) (Health, error) {
	var h Health
	return h, readRecord(filepath.Dir(path), filepath.Base(path), &h)
}

// CheckReport is the answer to a check that was asked for.
type CheckReport struct {
	// Status is where the container stands after it: one of the Health constants.
	Status string `json:"status"`
	// Failed says that this check failed; Refused why it was not run at all, or "".
	Failed  bool   `json:"failed"`
	Refused string `json:"refused,omitempty"`
}

// ErrCheckLost is what CheckNow gives, as ErrState, when the monitor went away before it answered: with its container, or
// because it was killed.
var ErrCheckLost = errors.New("the container ended before it was done")

// CheckNow lets the monitor run the container's healthcheck at once and returns how it went. The
// class is ErrUnavailable when no monitor answers, ErrState when it could not run it.
func CheckNow(ctx context.Context, runDir string) (CheckReport, error) {
	var r CheckReport
	c, err := dial(runDir)
	if err != nil {
		return r, errdefs.New(errdefs.ErrUnavailable, "monitor", "", "%w", err)
	}
	defer func() { _ = c.close() }()
	defer context.AfterFunc(ctx, func() { _ = c.close() })()
	if err := c.send(KindCheck, nil); err != nil {
		return r, errdefs.New(errdefs.ErrUnavailable, "monitor", "", "%w", err)
	}
	buf := make([]byte, MaxPacket)
	for {
		k, p, err := c.recv(buf)
		if err != nil {
			return r, errors.Join(ctx.Err(), errdefs.New(errdefs.ErrState, "healthcheck", "", "%w", ErrCheckLost))
		}
		if k != KindChecked {
			continue
		}
		if err := json.Unmarshal(p, &r); err != nil {
			return r, errdefs.New(errdefs.ErrCorrupt, "monitor answer", runDir, "%w", err)
		}
		if r.Refused != "" {
			return r, errdefs.New(errdefs.ErrState, "healthcheck", "", "%s", r.Refused)
		}
		return r, nil
	}
}
