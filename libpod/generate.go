package libpod

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
	"github.com/manager-project/manager/pkg/specjson"
)

// generate derives the OCI spec of this start and keeps it in the bundle for whoever looks.
func (s *start) generate(ctx context.Context) error {
	if err := s.loadProfile(ctx); err != nil {
		return err
	}
	f := &s.facts
	f.CgroupPath = s.row.State.CgroupPath
	f.CgroupV2 = cgroups.Mode() == cgroups.Unified
	if s.cfg.Process.Systemd {
		layout, err := cgroups.ReadLayout()
		if err != nil {
			return err
		}
		f.SystemdCgroups = layout.Systemd()
	}
	f.Rlimits = hardLimits()
	f.Rootless = rootless.Active()
	f.BindDevices = f.Rootless
	var err error
	if f.Seccomp, err = s.seccomp(); err != nil {
		return err
	}
	if f.Devices, err = deviceNodes(&s.cfg.Security); err != nil {
		return err
	}
	if s.cfg.Process.Init {
		if f.InitPath, err = s.initProgram(); err != nil {
			return err
		}
	}
	if err := s.makeNotifyDir(); err != nil {
		return err
	}
	if err := s.letIn(ctx); err != nil {
		return err
	}
	f.NoHostQueues = !exists("/dev/mqueue")
	f.ApplyCDI = s.rt.applyCDI
	if s.spec, err = spec.Generate(s.cfg, f); err != nil {
		return err
	}
	if s.spec.Process.Terminal {
		s.spec.Process.ConsoleSize = s.window
	}
	raw, err := specjson.Marshal(s.spec)
	if err != nil {
		return err
	}
	return atomicfile.Write(s.bundleFile(), raw, 0o600, atomicfile.Volatile)
}

func (s *start) bundleFile() string {
	return filepath.Join(s.rt.paths.runDir(s.row.ID), "config.json")
}

// initProgram is the host's file that becomes process 1 with --init.
func (s *start) initProgram() (string, error) {
	if s.cfg.Process.InitPath != "" {
		return s.cfg.Process.InitPath, nil
	}
	rt, err := s.runtime()
	if err != nil {
		return "", err
	}
	return rt.InitProgram(), s.labelInit(rt.InitProgram())
}

// monitorConfig is what the monitor is told.
func (s *start) monitorConfig() monitor.Config {
	p := &s.cfg.Process
	return monitor.Config{
		ID: s.row.ID, RunDir: s.rt.paths.runDir(s.row.ID), Generation: s.row.State.Generation,
		PipeLabel: s.pipeLabel(),
		Terminal:  p.Terminal, Stdin: p.Stdin, StdinOnce: p.StdinOnce,
		Log:     s.log,
		Timeout: time.Duration(s.cfg.Life.Timeout) * time.Second,
		PIDFile: s.cfg.Life.PIDFile, CleanupCommand: s.cleanupCommand(), CleanupEnv: cleanupEnv(),
		Events:  s.monitorEvents(s.event(""), eventlog.Start, eventlog.Died),
		Restart: s.restart(),
		Stop:    s.stopConfig(), Health: s.monitorHealth(), Notify: s.notifyConfig(),
	}
}

// cleanupCommand is what the monitor runs when the container has ended and no client is left.
func (s *start) cleanupCommand() []string {
	return s.rt.command("container", "cleanup", "--generation", strconv.FormatUint(s.row.State.Generation, 10), s.row.ID)
}

// command is a command line of ours for the same store.
func (r *Runtime) command(words ...string) []string {
	return append(append([]string{embedded.Self()}, r.globalArgs()...), words...)
}

// cleanupEnv passes on where the configuration is, and nothing else.
func cleanupEnv() []string {
	var env []string
	keys := append([]string{"PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF", "STORAGE_DRIVER", "STORAGE_OPTS", "INVOCATION_ID"}, rootless.Variables...)
	for _, key := range keys {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return append(env, fault.Environ()...)
}
