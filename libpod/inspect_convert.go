package libpod

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/network"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// inspectFacts are what inspect shows beyond a container's Record. Zero values are shown
// as empty.
type inspectFacts struct {
	// Driver and DriverData are the storage driver and its directories for the container's layer.
	Driver     string
	DriverData map[string]string
	StaticDir  string
	// OCIConfigPath is the spec of the present start, or "".
	OCIConfigPath string
	// Rootfs is the mounted root filesystem, or that of --rootfs.
	Rootfs         string
	ResolvConfPath string
	HostsPath      string
	HostnamePath   string
	LogPath        string
	CgroupManager  string
	ExecIDs        []string
	// VolumePaths are mount points of named volumes by name.
	VolumePaths map[string]string
	Unmonitored bool
	// Times are those of its last checkpoint and restore.
	Times checkpointTimes
	// Health is nil without a healthcheck.
	Health *monitor.Health
	// LogLoss is what its log did not take, if anything.
	LogLoss monitor.LogLoss
	// Size is set when --size asked for it.
	Size *ContainerSize
}

// newInspectData makes what inspect prints of what is known. It is pure.
func newInspectData(rec Record, facts inspectFacts) *InspectData {
	cfg, state := rec.Config, rec.State
	d := &InspectData{
		ID: cfg.ID, Created: cfg.Created.Format(time.RFC3339Nano), Args: []string{}, Name: cfg.Name,
		Image: cfg.Image.ID, ImageDigest: cfg.Image.Digest, ImageName: cfg.Image.Name, Rootfs: facts.Rootfs,
		ResolvConfPath: facts.ResolvConfPath, HostnamePath: facts.HostnamePath, HostsPath: facts.HostsPath,
		StaticDir: facts.StaticDir, OCIConfigPath: facts.OCIConfigPath, OCIRuntime: runtimeName(cfg), PidFile: cfg.Life.PIDFile, RestartCount: state.Restarts,
		Driver: facts.Driver, MountLabel: cfg.Security.MountLabel, ProcessLabel: cfg.Security.ProcessLabel,
		AppArmorProfile: cfg.Security.AppArmor, EffectiveCaps: effectiveCaps(cfg), BoundingCaps: nonNil(cfg.Security.Capabilities),
		ExecIDs: nonNil(facts.ExecIDs), Mounts: inspectMounts(cfg, facts), Dependencies: nonNil(cfg.Dependencies),
		KubeExitCodePropagation: "invalid", State: inspectState(rec, facts), Config: inspectConfig(cfg),
		HostConfig: inspectHostConfig(cfg, facts), NetworkSettings: inspectNetwork(rec),
		UseImageHosts: cfg.Net.NoHosts, UseImageHostname: cfg.Net.NoHostname,
		GraphDriver: &InspectDriver{Name: facts.Driver, Data: facts.DriverData},
	}
	if len(cfg.Process.Args) > 0 {
		d.Path, d.Args = cfg.Process.Args[0], nonNil(cfg.Process.Args[1:])
	}
	if facts.Size != nil {
		d.SizeRw, d.SizeRootFs = &facts.Size.RW, facts.Size.RootFs
	}
	return d
}

// effectiveCaps is empty for a user that is not root: such a process starts with none.
func effectiveCaps(cfg *spec.Config) []string {
	user, _, _ := strings.Cut(cfg.Process.User, ":")
	if user != "" && user != "0" && user != "root" {
		return []string{}
	}
	return nonNil(cfg.Security.Capabilities)
}

func inspectState(rec Record, facts inspectFacts) *InspectState {
	s := rec.State
	return &InspectState{
		OciVersion: specs.Version, Status: string(s.Status), Running: s.Status.Live() && s.Status != define.StatusPaused || s.Status == define.StatusRestarting,
		Restarting: s.Status == define.StatusRestarting,
		Paused:     s.Status == define.StatusPaused, OOMKilled: s.OOMKilled, Dead: s.Status == define.StatusRemoving,
		Pid: s.PID, ConmonPid: s.MonitorPID, ExitCode: s.ExitCode, Error: s.Error,
		StartedAt: s.StartedAt.Format(time.RFC3339Nano), FinishedAt: s.FinishedAt.Format(time.RFC3339Nano),
		CgroupPath: s.CgroupPath, CheckpointedAt: facts.Times.Checkpointed.Format(time.RFC3339Nano),
		RestoredAt: facts.Times.Restored.Format(time.RFC3339Nano), Cause: s.Cause, Unmonitored: facts.Unmonitored, Health: facts.Health,
		LogLostBytes: facts.LogLoss.Bytes, LogLostError: facts.LogLoss.Error,
	}
}

func inspectMounts(cfg *spec.Config, facts inspectFacts) []InspectMount {
	mounts := []InspectMount{}
	for _, m := range cfg.Mounts {
		if m.Kind == spec.MountTmpfs || m.Kind == spec.MountDevpts || m.Kind == spec.MountRamfs {
			continue // Podman shows these below HostConfig.Tmpfs only
		}
		i := InspectMount{
			Type: string(m.Kind), Source: m.Source, Destination: m.Destination, Options: nonNil(plainOptions(m.Options)),
			RW: !slices.Contains(m.Options, "ro"), Mode: m.Relabel, SubPath: m.Subpath,
		}
		if m.Kind == spec.MountVolume {
			i.Name, i.Driver, i.Source = m.Source, "local", facts.VolumePaths[m.Source]
		}
		for _, o := range m.Options {
			if strings.HasSuffix(o, "shared") || strings.HasSuffix(o, "slave") || strings.HasSuffix(o, "private") {
				i.Propagation = o
			}
		}
		mounts = append(mounts, i)
	}
	return mounts
}

// plainOptions leaves out what has a field of its own.
func plainOptions(options []string) []string {
	return slices.DeleteFunc(slices.Clone(options), func(o string) bool {
		return o == "rw" || o == "ro" || strings.HasSuffix(o, "shared") || strings.HasSuffix(o, "slave") || strings.HasSuffix(o, "private")
	})
}

func inspectNetwork(rec Record) *InspectNetwork {
	n := &InspectNetwork{Ports: map[string][]InspectPort{}}
	for _, p := range rec.Config.Net.Expose {
		n.Ports[p] = nil
	}
	maps.Copy(n.Ports, inspectPorts(rec.Config.Net.Ports))
	mode := rec.Config.Net.Namespace.Mode
	if mode == spec.NSNone || mode == spec.NSHost {
		n.Networks = map[string]*InspectEndpoint{string(mode): {}}
	}
	if a, err := network.Plan(&rec.Config.Net); err == nil && a != nil {
		n.IPAddress, n.IPPrefixLen, n.Gateway = a.Container.Addr().String(), a.Container.Bits(), a.Gateway.String()
		n.Networks = map[string]*InspectEndpoint{rec.Config.Net.Driver: {InspectAddresses: n.InspectAddresses}}
	}
	if rec.State.Status.Live() && rec.State.PID > 0 {
		n.SandboxKey = fmt.Sprintf("/proc/%d/ns/net", rec.State.PID)
	}
	return n
}

func inspectConfig(cfg *spec.Config) *InspectConfig {
	p := cfg.Process
	passwd := p.Passwd
	c := &InspectConfig{
		Hostname: cfg.Net.Hostname, User: p.User, AttachStdin: p.Stdin, AttachStdout: true, AttachStderr: true,
		Tty: p.Terminal, OpenStdin: p.Stdin, StdinOnce: p.StdinOnce, Env: nonNil(p.Env), Cmd: p.Command,
		Image: first(cfg.Image.Name, cfg.Image.Requested), WorkingDir: p.Workdir, Entrypoint: p.Entrypoint, Labels: cfg.Labels,
		Annotations: cfg.Annotations, StopSignal: spec.SignalName(syscall.Signal(cfg.Life.StopSignal)),
		CreateCommand: cfg.CreateCommand,
		Timezone:      p.Timezone, Umask: p.Umask, Timeout: cfg.Life.Timeout, StopTimeout: cfg.Life.StopTimeout,
		Passwd: &passwd, SdNotifyMode: first(p.SdNotify, monitor.NotifyContainer),
	}
	c.addHealth(cfg.Health)
	return c
}

func (c *InspectConfig) addHealth(h *spec.Health) {
	c.HealthcheckOnFailureAction, c.HealthLogDestination = monitor.HealthActNone, "local"
	c.HealthcheckMaxLogCount, c.HealthcheckMaxLogSize = spec.HealthMaxLogCount, spec.HealthMaxLogSize
	if h == nil {
		return
	}
	check := func(k *spec.HealthCheck) InspectHealthcheck {
		return InspectHealthcheck{Test: k.Test, Interval: k.Interval, Timeout: k.Timeout, Retries: k.Retries}
	}
	regular := check(&h.Check)
	regular.StartPeriod, regular.StartInterval = h.StartPeriod, h.StartInterval
	c.Healthcheck = &regular
	if h.Startup != nil {
		c.StartupHealthCheck = &InspectStartupHealthcheck{InspectHealthcheck: check(h.Startup), Successes: h.Startup.Successes}
	}
	c.HealthcheckOnFailureAction, c.HealthLogDestination = h.OnFailure, first(h.LogDirectory, "local")
	c.HealthcheckMaxLogCount, c.HealthcheckMaxLogSize = h.MaxLogCount, h.MaxLogSize
}

func inspectHostConfig(cfg *spec.Config, facts inspectFacts) *InspectHostConfig {
	h := &InspectHostConfig{
		Binds: []string{}, CgroupManager: first(facts.CgroupManager, "cgroupfs"), CgroupMode: modeText(cfg.Namespaces.Cgroup),
		ContainerIDFile: cfg.Life.CIDFile, NetworkMode: cfg.Net.ModeText(), PortBindings: inspectPorts(cfg.Net.Ports), PublishAllPorts: cfg.Net.PublishAll,
		RestartPolicy: InspectRestart{first(cfg.Life.Restart.Policy, monitor.RestartNo), cfg.Life.Restart.Max}, AutoRemove: cfg.Life.Remove, AutoRemoveImage: cfg.Life.RemoveImage,
		Annotations: cfg.Annotations, CapAdd: nonNil(cfg.Security.CapAdd), CapDrop: nonNil(cfg.Security.CapDrop),
		DNS: nonNil(cfg.Net.DNS), DNSOptions: nonNil(cfg.Net.DNSOptions), DNSSearch: nonNil(cfg.Net.DNSSearch),
		ExtraHosts: nonNil(cfg.Net.Hosts), HostsFile: cfg.Net.HostsFile, GroupAdd: nonNil(cfg.Process.GroupAdd),
		IpcMode: modeText(cfg.Namespaces.IPC), Cgroups: "default", PidMode: modeText(cfg.Namespaces.PID),
		Privileged: cfg.Security.Privileged, ReadonlyRootfs: cfg.Rootfs.ReadOnly, SecurityOpt: nonNil(cfg.Security.SecurityOpt),
		Tmpfs: map[string]string{}, UTSMode: modeText(cfg.Namespaces.UTS), ShmSize: cfg.ShmSize, Runtime: "oci",
		ConsoleSize: []uint{0, 0}, CgroupParent: cfg.Limits.CgroupParent, NanoCpus: int64(cfg.Limits.CPUs * 1e9),
		Devices: []InspectDevice{}, Ulimits: []InspectUlimit{},
		LogConfig: InspectLog{
			Type: cfg.Log.Driver, Path: first(cfg.Log.Path, facts.LogPath), Tag: cfg.Log.Tag,
			Size: units.HumanSizeWithPrecision(float64(cfg.Log.MaxSize), 3), Config: cfg.Log.DockerOptions(),
		},
	}
	if !cfg.Log.IsFile() {
		h.LogConfig.Path = ""
	}
	switch {
	case cfg.Limits.Disabled:
		h.Cgroups = "disabled"
	case cfg.Limits.Split:
		h.Cgroups = "split"
	}
	if cfg.Process.OOMScoreAdj != nil {
		h.OomScoreAdj = *cfg.Process.OOMScoreAdj
	}
	if u := &cfg.UserNS; u.Own() {
		h.UsernsMode = modeText(spec.Namespace{Mode: u.Mode, Target: u.Target})
		h.IDMappings = &InspectIDMappings{UIDMap: u.UIDs.Strings(), GIDMap: u.GIDs.Strings()}
	}
	if cfg.Process.KeepGroups {
		h.GroupAdd = []string{"keep-groups"}
	}
	addHostMounts(h, cfg)
	addHostResources(h, cfg.Limits.Resources)
	return h
}

// modeText is a namespace's mode as the option words it.
func modeText(n spec.Namespace) string {
	if n.Target != "" {
		return string(n.Mode) + ":" + n.Target
	}
	return string(n.Mode)
}

func addHostMounts(h *InspectHostConfig, cfg *spec.Config) {
	for _, m := range cfg.Mounts {
		switch m.Kind {
		case spec.MountBind:
			h.Binds = append(h.Binds, bindText(m.Source, m))
		case spec.MountVolume:
			h.Binds = append(h.Binds, bindText(m.Source, m))
		case spec.MountTmpfs:
			h.Tmpfs[m.Destination] = strings.Join(m.Options, ",")
		case spec.MountImage, spec.MountDevpts, spec.MountRamfs:
		}
	}
	for _, d := range cfg.Security.Devices {
		h.Devices = append(h.Devices, InspectDevice{PathOnHost: d.Host, PathInContainer: d.Container, CgroupPermissions: d.Permissions})
	}
	for _, l := range cfg.Process.Rlimits {
		h.Ulimits = append(h.Ulimits, InspectUlimit{Name: l.Type, Soft: int64(l.Soft), Hard: int64(l.Hard)})
	}
}

func bindText(source string, m spec.Mount) string {
	if len(m.Options) == 0 {
		return source + ":" + m.Destination
	}
	return source + ":" + m.Destination + ":" + strings.Join(m.Options, ",")
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
