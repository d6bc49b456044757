package compile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func (c *compiler) mounts() error {
	if kind := c.labelType(); !plan.IsContext(kind) {
		return invalid("annotations."+labelTypeAnnotation, kind, "is none of context, fscontext, defcontext, rootcontext")
	}
	for i := range c.spec.Mounts {
		if err := c.mount(fmt.Sprintf("mounts[%d]", i), &c.spec.Mounts[i]); err != nil {
			return err
		}
	}
	return nil
}

// mount compiles one mount; field is its path in the configuration.
func (c *compiler) mount(field string, m *specs.Mount) error {
	o, err := checkMount(field, m)
	if err != nil {
		return err
	}
	target := filepath.Clean("/" + m.Destination)
	if !filepath.IsAbs(m.Destination) {
		c.warn("%s.destination: %s is not absolute, taken from /", field, m.Destination)
	}
	bind := o.bind || m.Type == "bind"
	if err := checkProc(field, target, m.Type, bind || o.remount); err != nil {
		return err
	}
	out := plan.Mount{
		Target: target, FSType: m.Type, Set: o.set, Clear: o.clear, RecSet: o.recSet, RecClear: o.recClear,
		Propagation: o.propagation, Options: o.data, NoFollowTarget: o.noFollowTarget,
	}
	switch {
	case o.remount:
		out.Kind, out.FSType = plan.MountRemount, ""
		if bind {
			out.Options = nil
		}
	case bind:
		return c.bindMount(field, m, o, &out)
	case m.Type == "cgroup" || m.Type == "cgroup2":
		return c.cgroupMount(field, m, o, target)
	default:
		c.newFS(m, o, &out)
	}
	c.p.Mounts = append(c.p.Mounts, out)
	return nil
}

// checkMount refuses what no mount can be made of, and reads the options.
func checkMount(field string, m *specs.Mount) (*mountOptions, error) {
	for _, s := range []struct{ name, value string }{
		{"destination", m.Destination}, {"source", m.Source}, {"type", m.Type}, {"options", strings.Join(m.Options, ",")},
	} {
		if strings.IndexByte(s.value, 0) >= 0 {
			return nil, invalid(field+"."+s.name, s.value, "has a NUL byte")
		}
	}
	o, err := parseOptions(m.Options)
	if err != nil {
		return nil, fieldError(field+".options", err)
	}
	bind := o.bind || m.Type == "bind"
	switch {
	case m.Destination == "":
		return nil, invalid(field+".destination", "", "is missing")
	case !o.remount && filepath.Clean("/"+m.Destination) == "/":
		return nil, invalid(field+".destination", m.Destination, "is the root itself")
	case m.Type == "" && !bind && !o.remount:
		return nil, invalid(field+".type", "", "is missing")
	case bind && !o.remount && m.Source == "":
		return nil, invalid(field+".source", "", "a bind mount needs a source")
	case o.copyUp && m.Type != "tmpfs":
		return nil, invalid(field+".options", "tmpcopyup", "is for mounts of type tmpfs")
	case (o.copyLink || o.noFollowSource) && !bind:
		return nil, invalid(field+".options", "", "copy-symlink and src-nofollow are for bind mounts")
	}
	return o, checkIDMap(field, m, o, bind && !o.remount)
}

// bindMount completes a bind mount.
func (c *compiler) bindMount(field string, m *specs.Mount, o *mountOptions, out *plan.Mount) error {
	out.Kind, out.FSType, out.Options = plan.MountBind, "", nil
	out.Source, out.Recursive, out.NoFollowSource = c.absolute(m.Source), o.recursive, o.noFollowSource
	if len(o.data) > 0 {
		c.warn("%s.options: %s means nothing for a bind mount", field, o.data[0].Key)
	}
	if o.copyLink {
		if text, err := os.Readlink(out.Source); err == nil {
			c.p.Mounts = append(c.p.Mounts, plan.Mount{Kind: plan.MountLink, Source: text, Target: out.Target})
			return nil
		}
	}
	if out.Target == "/proc" {
		var st unix.Statfs_t
		if err := unix.Statfs(out.Source, &st); err == nil && st.Type != unix.PROC_SUPER_MAGIC {
			return invalid(field+".source", m.Source, "only proc can be mounted on /proc")
		}
	}
	if err := c.openSource(field, m, o, out); err != nil {
		return err
	}
	c.p.Mounts = append(c.p.Mounts, *out)
	return nil
}

// newFS completes a mount of a new file system instance.
func (c *compiler) newFS(m *specs.Mount, o *mountOptions, out *plan.Mount) {
	out.Kind, out.Source, out.Clear, out.Flags = plan.MountFS, m.Source, 0, o.superFlags
	if m.Type == "tmpfs" {
		out.CopyUp = o.copyUp
		out.InheritMode = !hasKey(o.data, "mode")
	}
	if o.set&unix.MOUNT_ATTR_RDONLY != 0 && filepath.IsAbs(m.Source) {
		// A device that cannot be written to must not be opened for that.
		out.Options = append(out.Options, plan.Pair{Key: "ro"})
	}
	c.mountLabel(out)
}

// labelTypeAnnotation says how new file systems get the container's label: "context", which cannot be changed inside, or another of
// mount(8)'s options. Podman sets it for --security-opt label=nested; it is crun's.
const labelTypeAnnotation = "run.oci.mount_context_type"

// labelType is the option by which new file systems get the container's label.
func (c *compiler) labelType() string {
	if kind, ok := c.spec.Annotations[labelTypeAnnotation]; ok {
		return kind
	}
	return "context"
}

// mountLabel gives a new file system the container's label, unless it brings one. Those of the kernel keep
// theirs: a policy goes by them.
func (c *compiler) mountLabel(out *plan.Mount) {
	for i := range out.Options {
		if p := &out.Options[i]; plan.IsContext(p.Key) { // quoted by whoever thinks of mount(2)
			p.Value = strings.Trim(p.Value, `"`)
		}
	}
	label, kind := c.spec.Linux.MountLabel, c.labelType()
	if label == "" || hasKey(out.Options, "context") || hasKey(out.Options, kind) {
		return
	}
	switch out.FSType {
	case "proc", "sysfs":
	case "mqueue": // it exists since its ipc namespace does, so the kernel refuses options
		out.Label = label
	default:
		// As the label of a root alone it is for file systems whose files can be labelled. A policy has its own for others, as devpts, and
		// refuses that.
		if kind == "context" || out.FSType == "tmpfs" || out.FSType == "ramfs" {
			out.Options = append(out.Options, plan.Pair{Key: kind, Value: label})
		}
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

func checkProc(field, target, fstype string, bind bool) error {
	if target == "/proc" {
		if fstype != "proc" && !bind {
			return invalid(field+".destination", target, "only proc can be mounted here")
		}
		return nil
	}
	rest, ok := strings.CutPrefix(target, "/proc/")
	if ok && !procFiles[rest] {
		return invalid(field+".destination", target, "cannot be mounted because it is inside /proc")
	}
	return nil
}

// warn notes a request that the specification lets a runtime ignore, and that is.
func (c *compiler) warn(format string, args ...any) {
	c.h.Warnings = append(c.h.Warnings, fmt.Sprintf(format, args...))
}

// fieldError puts the field in front of an error that does not know it.
func fieldError(field string, err error) error {
	return &errdefs.Error{Op: field, Class: errdefs.ErrInvalid, Cause: err}
}
