package compile

import (
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (c *compiler) mounts() error {
	for i := range c.spec.Mounts {
		if err := c.mount(&c.spec.Mounts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) mount(m *specs.Mount) error {
	target := filepath.Clean("/" + m.Destination)
	if !filepath.IsAbs(m.Destination) {
		c.h.Warnings = append(c.h.Warnings, "mount destination "+m.Destination+" is not absolute")
	}
	if target == "/" {
		return invalid("mounts.destination", m.Destination, "is the root itself")
	}
	o := parseOptions(m.Options)
	bind := o.bind || m.Type == "bind"
	if err := checkProc(target, m.Type, bind); err != nil {
		return err
	}
	out := plan.Mount{
		Target: target, FSType: m.Type, Set: o.set, Clear: o.clear, RecSet: o.recSet, RecClear: o.recClear,
		Propagation: o.propagation, Options: o.data,
	}
	idmapped := o.idmap || len(m.UIDMappings) > 0 || len(m.GIDMappings) > 0
	switch {
	case o.remount:
		out.Kind, out.FSType, out.Options = plan.MountRemount, "", nil
	case bind:
		out.Kind, out.FSType, out.Options = plan.MountBind, "", nil
		out.Source, out.Recursive = c.absolute(m.Source), o.recursive
		if m.Source == "" {
			return invalid("mounts.source", target, "a bind mount needs a source")
		}
		if err := c.openSource(m, &o, &out, idmapped); err != nil {
			return err
		}
		idmapped = false
	case m.Type == "cgroup" || m.Type == "cgroup2":
		return c.cgroupMount(m, &o, target)
	case m.Type == "":
		return invalid("mounts.type", target, "is missing")
	default:
		c.newFS(m, &o, &out)
	}
	if idmapped {
		return errdefs.Unsupported("mounts.uidMappings", "only bind mounts can be idmapped here (%s)", target)
	}
	c.p.Mounts = append(c.p.Mounts, out)
	return nil
}

// newFS completes a mount of a new file system instance.
func (c *compiler) newFS(m *specs.Mount, o *mountOptions, out *plan.Mount) {
	out.Kind, out.Source, out.Clear = plan.MountFS, m.Source, 0
	if m.Type == "tmpfs" {
		out.CopyUp = o.copyUp
		out.InheritMode = !hasKey(o.data, "mode")
	}
	for i := range out.Options {
		if p := &out.Options[i]; plan.IsContext(p.Key) { // quoted by whoever thinks of mount(2)
			p.Value = strings.Trim(p.Value, `"`)
		}
	}
	if l := c.spec.Linux.MountLabel; l != "" && m.Type != "proc" && m.Type != "sysfs" && !hasKey(o.data, "context") {
		out.Options = append(out.Options, plan.Pair{Key: "context", Value: l})
	}
}

func hasKey(pairs []plan.Pair, key string) bool {
	for _, p := range pairs {
		if p.Key == key {
			return true
		}
	}
	return false
}

// procFiles may be covered one by one, as lxcfs does; everything else below /proc is what
// labels, settings and masks rely on.
var procFiles = map[string]bool{
	"cpuinfo": true, "diskstats": true, "meminfo": true, "stat": true, "swaps": true, "uptime": true,
	"loadavg": true, "slabinfo": true, "sys/kernel/ns_last_pid": true, "sys/crypto/fips_enabled": true,
}

func checkProc(target, fstype string, bind bool) error {
	if target == "/proc" {
		if fstype != "proc" && !bind {
			return invalid("mounts.destination", target, "only proc can be mounted here")
		}
		return nil
	}
	rest, ok := strings.CutPrefix(target, "/proc/")
	if ok && !procFiles[rest] {
		return invalid("mounts.destination", target, "cannot be mounted because it is inside /proc")
	}
	return nil
}
