package spec

import (
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// limits settles the cgroup and what it allows.
func (d *decider) limits() error {
	res := &specs.LinuxResources{}
	d.cfg.Limits.Resources = res
	for _, step := range []func() error{d.cgroup, d.memory, d.cpu, d.blkio, d.pids, d.unified, d.deviceRules} {
		if err := step(); err != nil {
			return err
		}
	}
	d.cfg.Limits.RdtClass = d.req.Limits.RdtClass
	if d.cfg.Limits.RdtClass != "" && !d.host.IntelRDT {
		return errdefs.Unsupported("--rdt-class", "no resctrl file system is mounted on this host").WithHint("mount -t resctrl resctrl /sys/fs/resctrl, or leave it out")
	}
	if strings.ContainsAny(d.cfg.Limits.RdtClass, "/\n") || d.cfg.Limits.RdtClass == ".." {
		return errdefs.Invalid("--rdt-class", d.cfg.Limits.RdtClass, "not a class of service")
	}
	if d.cfg.Limits.Disabled && d.anyLimit() {
		return errdefs.Invalid("--cgroups", "disabled", "limits need a cgroup").WithHint("leave the limits out, or --cgroups=disabled")
	}
	return d.delegated()
}

// delegated refuses limits of a user to whom their controllers were not delegated.
func (d *decider) delegated() error {
	if !d.host.Rootless || d.host.Controllers == nil || d.cfg.Limits.Split {
		return nil // what the caller's own cgroup has shows when it is split
	}
	r := d.cfg.Limits.Resources
	sets := r.CPU != nil && (r.CPU.Cpus != "" || r.CPU.Mems != "")
	shares := r.CPU != nil && (r.CPU.Shares != nil || r.CPU.Quota != nil || r.CPU.Period != nil || r.CPU.RealtimeRuntime != nil || r.CPU.RealtimePeriod != nil)
	for _, limit := range []struct {
		options    string
		asked      bool
		controller string
	}{
		{"--memory", r.Memory != nil, "memory"},
		{"--cpus, --cpu-shares, --cpu-quota or --cpu-period", shares, "cpu"},
		{"--cpuset-cpus or --cpuset-mems", sets, "cpuset"},
		{"--blkio-weight or a --device limit", r.BlockIO != nil, "blkio"},
		{"--pids-limit", d.req.Limits.PidsLimit != nil && r.Pids != nil, "pids"},
	} {
		if !limit.asked || d.host.Controllers[limit.controller] {
			continue
		}
		e := errdefs.Unsupported(limit.options, "the cgroup controller %q is not delegated to this user", limit.controller)
		if !d.host.CgroupV2 {
			return e.WithHint("a user can set limits only where the controllers are on cgroup version 2 (kernel option systemd.unified_cgroup_hierarchy=1); leave them out here, or run it as root")
		}
		return e.WithHint("as root write \"[Service]\\nDelegate=cpu cpuset io memory pids\" to /etc/systemd/system/user@.service.d/delegate.conf, run \"systemctl daemon-reload\", and log in anew")
	}
	return nil
}

// anyLimit reports a limit that the user asked for.
func (d *decider) anyLimit() bool {
	r := d.cfg.Limits.Resources
	return r.Memory != nil || r.CPU != nil || r.BlockIO != nil || r.Unified != nil ||
		(d.req.Limits.PidsLimit != nil && r.Pids != nil)
}

func (d *decider) cgroup() error {
	mode := d.req.Limits.Cgroups
	if mode == "" || !d.req.Given("cgroups") && mode == "enabled" {
		mode = d.def.Cgroups
	}
	switch mode {
	case "", "enabled", "no-conmon":
		// There is no conmon, so both keep the monitor out of the container's limits.
	case "disabled":
		d.cfg.Limits.Disabled = true
	case "split":
		if d.req.Limits.CgroupParent != "" {
			return errdefs.Invalid("--cgroups", mode, "it makes the cgroup below the caller's").WithHint("leave --cgroup-parent or --cgroups=split out")
		}
		d.cfg.Limits.Split = true
	default:
		return errdefs.Invalid("--cgroups", mode, "unknown mode").WithHint("write enabled, disabled, no-conmon or split")
	}
	d.cfg.Limits.Systemd = d.host.CgroupManagerSystemd && !d.cfg.Limits.Disabled && !d.cfg.Limits.Split
	parent := d.req.Limits.CgroupParent
	if parent == "" {
		return nil
	}
	if d.host.CgroupManagerSystemd {
		return d.slice(parent)
	}
	if strings.HasSuffix(parent, ".slice") {
		return errdefs.Unsupported("--cgroup-parent", "%s is a systemd slice, and the cgroup manager is cgroupfs", parent).
			WithHint("write an absolute cgroup path, or use --cgroup-manager systemd")
	}
	for _, part := range strings.Split(parent, "/") {
		if part == ".." || part == "." {
			return errdefs.Invalid("--cgroup-parent", parent, "a cgroup path has no . or ..").WithHint("write an absolute cgroup path")
		}
	}
	if hasControl(parent) {
		return errdefs.Invalid("--cgroup-parent", parent, "control characters in the path")
	}
	d.cfg.Limits.CgroupParent = path.Clean("/" + parent)
	return nil
}

// slice takes a slice of systemd as the parent. Source: systemd.slice(5).
func (d *decider) slice(parent string) error {
	name := path.Base(parent)
	if !strings.HasSuffix(name, ".slice") || strings.ContainsAny(name, ": \t") || hasControl(name) {
		return errdefs.Invalid("--cgroup-parent", parent, "not a slice, and the cgroup manager is systemd").
			WithHint("write a name like machine.slice, or use --cgroup-manager cgroupfs")
	}
	d.cfg.Limits.CgroupParent = name
	return nil
}

// pids settles the number of tasks; zero and negative mean no limit.
func (d *decider) pids() error {
	n := d.def.PidsLimit
	if given := d.req.Limits.PidsLimit; given != nil {
		n = *given
		if err := checkPids(n); err != nil {
			return err
		}
	}
	if d.req.Limits.PidsLimit == nil && d.host.Controllers != nil && !d.host.Controllers["pids"] {
		return nil // the default is a precaution, not a wish: a host without the controller goes without
	}
	if n > 0 && !d.cfg.Limits.Disabled {
		d.cfg.Limits.Resources.Pids = &specs.LinuxPids{Limit: &n}
	}
	return nil
}

func checkPids(n int64) error {
	if n < -1 {
		return errdefs.Invalid("--pids-limit", strconv.FormatInt(n, 10), "negative").WithHint("write a number of tasks, or -1 for no limit")
	}
	return nil
}

// unified takes keys of the unified hierarchy as they are.
func (d *decider) unified() error {
	words := d.req.Limits.CgroupConf
	if len(words) > 0 && !d.host.CgroupV2 {
		return errdefs.Unsupported("--cgroup-conf", "this host's controllers are on cgroup version 1").
			WithHint("use the options --memory, --cpus, …")
	}
	if d.host.CgroupV2 {
		words = append(append([]string{}, d.def.CgroupConf...), words...)
	}
	for _, word := range words {
		k, v, ok := strings.Cut(word, "=")
		if !ok || k == "" || strings.ContainsAny(k, "/ \t\n") || !strings.Contains(k, ".") {
			return errdefs.Invalid("--cgroup-conf", word, "not KEY=VALUE").WithHint("write a file of the cgroup, as memory.high=1073741824")
		}
		if d.cfg.Limits.Resources.Unified == nil {
			d.cfg.Limits.Resources.Unified = map[string]string{}
		}
		d.cfg.Limits.Resources.Unified[k] = v
	}
	return nil
}

// v1only refuses an option that the unified hierarchy has no file for.
func (d *decider) v1only(option string) error {
	if !d.host.CgroupV2 {
		return nil
	}
	return errdefs.Unsupported(option, "cgroup version 2 has no such limit").WithHint("leave %s out", option)
}
