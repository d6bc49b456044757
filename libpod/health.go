package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// HealthReport is how a healthcheck that was asked for went.
type HealthReport struct {
	// Status is where the container stands after it: starting, healthy or unhealthy.
	Status string
	// Failed says that this check failed.
	Failed bool
}

// HealthCheck runs a container's healthcheck at once; its monitor does it, and counts it like any
// other. The class is ErrState for a container that does not run or has no healthcheck, and
// ErrUnavailable for one whose monitor is gone.
func (r *Runtime) HealthCheck(ctx context.Context, id string) (HealthReport, error) {
	c, err := r.load(ctx, id)
	if err != nil {
		return HealthReport{}, err
	}
	if c.cfg.Health == nil {
		return HealthReport{}, c.fail("check", errdefs.ErrState, errors.New("it has no healthcheck"), "make it anew with --health-cmd")
	}
	if status := c.current(); status != define.StatusRunning {
		c.row.State.Status = status
		return HealthReport{}, c.wrongState("check", "running")
	}
	report, err := monitor.CheckNow(ctx, r.paths.runDir(c.row.ID))
	switch {
	case errors.Is(err, errdefs.ErrUnavailable), errors.Is(err, monitor.ErrCheckLost) && c.current() == define.StatusRunning:
		return HealthReport{}, c.fail("check", errdefs.ErrUnavailable, errors.New("its monitor is gone"), "restart it with \"manager restart "+c.row.Name+"\"")
	case err != nil:
		return HealthReport{}, c.fail("check", nil, err, "")
	}
	return HealthReport{Status: report.Status, Failed: report.Failed}, nil
}

// healthPath is the file of a container's health while it runs.
func (r *Runtime) healthPath(id, logDirectory string) string {
	if logDirectory != "" {
		return filepath.Join(logDirectory, id+"-healthcheck.log")
	}
	return filepath.Join(r.paths.runDir(id), monitor.HealthFile)
}

// keptHealthPath is where the record of the last start is kept when the run directory goes.
func (r *Runtime) keptHealthPath(id string) string {
	return filepath.Join(r.paths.staticDir(id), monitor.HealthFile)
}

// keepHealth keeps the record of a start that has ended, for whoever asks why.
func (c *locked) keepHealth() error {
	h := c.cfg.Health
	if h == nil || h.LogDirectory != "" {
		return nil
	}
	record, err := monitor.ReadHealth(c.rt.healthPath(c.row.ID, ""))
	if err != nil {
		//lint:ignore nilerr none was written, or it is damaged: it says nothing either way
		return nil
	}
	raw, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return atomicfile.Write(c.rt.keptHealthPath(c.row.ID), raw, 0o600, atomicfile.Volatile)
}

// healthOf is the health of a container that has a healthcheck, of its last start if it does not run.
func (r *Runtime) healthOf(row *state.Row, logDirectory string) monitor.Health {
	record, err := monitor.ReadHealth(r.healthPath(row.ID, logDirectory))
	if err != nil && !row.State.Status.Live() {
		record, err = monitor.ReadHealth(r.keptHealthPath(row.ID))
	}
	if err != nil && row.State.Status.Live() {
		record.Status = monitor.HealthStarting // it is about to be written
	}
	return record
}

// imageHealth is an image's healthcheck for the decisions.
func imageHealth(h *image.Healthcheck) *spec.ImageHealth {
	if h == nil || len(h.Test) == 0 {
		return nil
	}
	return &spec.ImageHealth{
		Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
}

// monitorHealth is what the monitor is told of the healthcheck, without its processes.
func (c *container) monitorHealth() *monitor.HealthConfig {
	h := c.cfg.Health
	if h == nil {
		return nil
	}
	check := func(c *spec.HealthCheck) monitor.HealthCheck {
		return monitor.HealthCheck{Interval: c.Interval, Timeout: c.Timeout, Retries: c.Retries, Successes: c.Successes}
	}
	m := &monitor.HealthConfig{
		Check: check(&h.Check), StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, OnFailure: h.OnFailure,
		Path: c.rt.healthPath(c.row.ID, h.LogDirectory), MaxLog: int(h.MaxLogCount), MaxOutput: int(h.MaxLogSize),
	}
	if h.Startup != nil {
		c := check(h.Startup)
		m.Startup = &c
	}
	return m
}

// probes are the healthcheck's processes, with names that end in suffix. They are what exec would start: the
// container's user, environment, directory and confinement.
func (c *container) probes(m *monitor.HealthConfig, f *spec.Facts, suffix string) ([]oci.Probe, error) {
	if m == nil {
		return nil, nil
	}
	var list []oci.Probe
	add := func(name string, check *spec.HealthCheck, to *monitor.HealthCheck) error {
		p, base, err := spec.GenerateExec(c.cfg, spec.ExecFacts{Command: check.Args(), User: f.User, Rlimits: f.Rlimits})
		if err != nil {
			return err
		}
		if !c.cfg.Security.Privileged {
			base.Linux.Seccomp = f.Seccomp
		}
		list = append(list, oci.Probe{Name: name + suffix, Spec: base, Process: p, To: &to.Probe})
		return nil
	}
	err := add("health", &c.cfg.Health.Check, &m.Check)
	if err == nil && m.Startup != nil {
		err = add("health-startup", c.cfg.Health.Startup, m.Startup)
	}
	return list, err
}

// stopConfig is how the monitor stops the container by itself: for its health, or when a service
// manager ends the service that it belongs to. Others are spared it, since listening to signals costs an
// idle monitor 50 kB. INVOCATION_ID says that systemd started this process. Source: systemd.exec(5).
func (s *start) stopConfig() *monitor.StopConfig {
	if s.cfg.Health == nil && s.service.notify == "" && os.Getenv("INVOCATION_ID") == "" {
		return nil
	}
	return s.stopping()
}

func (c *container) stopping() *monitor.StopConfig {
	l := &c.cfg.Life
	return &monitor.StopConfig{Signal: l.StopSignal, Timeout: time.Duration(l.StopTimeout) * time.Second}
}
