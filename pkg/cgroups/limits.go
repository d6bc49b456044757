package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Set changes the limits. Fields that are not set keep their value; nil changes nothing. When a
// value is refused, those written before it get their old values back. Errors are those of Create.
func (c *Cgroup) Set(r *specs.LinuxResources) error {
	c.makeRoom(r)
	restore, err := c.Remember(r)
	if err != nil {
		return err
	}
	if err := c.set(r); err != nil {
		return errors.Join(err, restore())
	}
	return c.unit.update(c, r)
}

// makeRoom has the kernel give memory back that a limit with a check leaves no room for, such as page cache. On
// version 1 writing the limit does that. Source: kernel cgroup-v2.rst, memory.reclaim (Linux 5.19).
func (c *Cgroup) makeRoom(r *specs.LinuxResources) {
	if r == nil || r.Memory == nil || c.versionOf("memory") != v2 {
		return
	}
	limit, limited := given(r.Memory.Limit)
	if check, _ := given(r.Memory.CheckBeforeUpdate); !check || !limited || limit < 0 {
		return
	}
	dir := c.dirOf("memory")
	used, err := strconv.ParseInt(readShort(filepath.Join(dir, "memory.current")), 10, 64)
	if err == nil && used > limit {
		_ = writeFile(filepath.Join(dir, "memory.reclaim"), signed(used-limit)) // what is left is seen by the check
	}
}

// set writes resources that are valid.
func (c *Cgroup) set(r *specs.LinuxResources) error {
	if r == nil || c.layout.Mode() == Disabled {
		return nil
	}
	if err := c.checkControllers(r); err != nil {
		return err
	}
	list, err := c.settings(r)
	if err != nil {
		return err
	}
	rules, err := deviceRules(r)
	if err != nil {
		return err
	}
	if err := c.apply(list); err != nil {
		return err
	}
	if err := c.setUnified(r.Unified); err != nil {
		return err
	}
	return c.setDevices(rules)
}

// settings are the writes that resources ask for.
func (c *Cgroup) settings(r *specs.LinuxResources) ([]setting, error) {
	b := &builder{r: r, version: c.versionOf, current: func(controller, file string) string {
		return readShort(filepath.Join(c.dirOf(controller), file))
	}}
	return b.settings()
}

// setUnified writes control files of version 2 by their names. A value of several lines is
// written line by line, as the files with a line for each device want it.
// Source: OCI runtime-spec, config-linux.md, "Unified".
func (c *Cgroup) setUnified(files map[string]string) error {
	for _, name := range sortedKeys(files) {
		s := setting{file: name, field: fieldResources + "unified." + name}
		for _, line := range strings.Split(strings.TrimSuffix(files[name], "\n"), "\n") {
			s.value = line
			err := c.write(s)
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
				controller, _, _ := strings.Cut(name, ".")
				if controller != "cgroup" && !c.unifiedHas(controller) {
					return errdefs.Unsupported(s.field, "the cgroup controller %q is not available here", controller).
						WithHint("leave it out, or have the controller delegated")
				}
			}
			if err != nil {
				return s.explain(err)
			}
		}
	}
	return nil
}

// unifiedHas says that a controller of version 2 is there for this cgroup.
func (c *Cgroup) unifiedHas(controller string) bool {
	return c.unified != "" && words(filepath.Join(c.unified, "cgroup.controllers"))[controller]
}

// words are the words of a short file.
func words(file string) map[string]bool {
	out := map[string]bool{}
	for _, n := range strings.Fields(readShort(file)) {
		out[n] = true
	}
	return out
}

// controllersOf are the controllers that limits need, with the field that needs them. On version 2
// blkio is io, cpu.cpus and mems are cpuset, and devices need none.
func controllersOf(r *specs.LinuxResources) map[string]string {
	need := map[string]string{}
	if m := r.Memory; m != nil && (positive(m.Limit) || positive(m.Reservation) || positive(m.Swap) || m.Swappiness != nil ||
		positive(m.DisableOOMKiller) || m.UseHierarchy != nil) {
		need["memory"] = "memory limit"
	}
	if p := r.Pids; p != nil && p.Limit != nil && *p.Limit >= 0 {
		need["pids"] = "pids limit"
	}
	if cpu := r.CPU; cpu != nil {
		if cpu.Cpus != "" || cpu.Mems != "" {
			need["cpuset"] = "cpuset"
		}
		if positive(cpu.Shares) || positive(cpu.Quota) || positive(cpu.Period) || positive(cpu.Burst) || positive(cpu.Idle) ||
			positive(cpu.RealtimePeriod) || positive(cpu.RealtimeRuntime) {
			need["cpu"] = "cpu limit"
		}
	}
	if b := r.BlockIO; b != nil {
		need["blkio"] = "block io limit"
	}
	if len(r.HugepageLimits) > 0 {
		need["hugetlb"] = "huge page limit"
	}
	if len(r.Rdma) > 0 {
		need["rdma"] = "rdma limit"
	}
	if n := r.Network; n != nil {
		if n.ClassID != nil {
			need["net_cls"] = "network class"
		}
		if len(n.Priorities) > 0 {
			need["net_prio"] = "network priority"
		}
	}
	return need
}

// needed are the controllers of limits and of unified settings, under their version 2 names.
func needed(r *specs.LinuxResources) map[string]bool {
	want := map[string]bool{}
	if r == nil {
		return want
	}
	for name := range controllersOf(r) {
		want[name] = true
	}
	if want["blkio"] {
		want["io"] = true
	}
	for name := range r.Unified {
		controller, _, _ := strings.Cut(name, ".")
		want[controller] = true
	}
	return want
}

// limited says that something other than device rules is asked for.
func limited(r *specs.LinuxResources) bool {
	return r != nil && (len(controllersOf(r)) > 0 || len(r.Unified) > 0)
}

// Controllers are the controllers that a container's cgroup can use on this host, under their
// version 1 names.
func (l *Layout) Controllers() map[string]bool { return l.controllers(l.Unified) }

// DelegatedControllers are those that systemd has passed down to a user's own service manager.
// Source: systemd's "Control Group APIs and Delegation".
func (l *Layout) DelegatedControllers(uid int) map[string]bool {
	if l.Unified == "" {
		return map[string]bool{}
	}
	own := fmt.Sprintf("user.slice/user-%d.slice/user@%d.service", uid, uid)
	return (&Layout{}).controllers(filepath.Join(l.Unified, own))
}

// controllers are those of the version 1 hierarchies and those of a version 2 directory.
func (l *Layout) controllers(unified string) map[string]bool {
	have := map[string]bool{}
	for _, h := range l.V1 {
		for _, name := range h.Controllers {
			have[name] = true
		}
	}
	if unified != "" {
		for name := range words(filepath.Join(unified, "cgroup.controllers")) {
			if name == "io" {
				name = "blkio"
			}
			have[name] = true
		}
	}
	return have
}

// Check says whether controllers are enough for limits, before anything is made: ErrUnsupported
// names the limit and the controller that is lacking.
func Check(r *specs.LinuxResources, have map[string]bool) error {
	if r == nil {
		return nil
	}
	need := controllersOf(r)
	for _, name := range sortedKeys(need) {
		if !have[name] {
			return errdefs.Unsupported(need[name], "the cgroup controller %q is not available here", name).
				WithHint("leave the limit out, or mount the controller")
		}
	}
	return nil
}

func (c *Cgroup) checkControllers(r *specs.LinuxResources) error {
	have := map[string]bool{}
	if c.unified != "" {
		have = (&Layout{}).controllers(c.unified)
	}
	for name := range c.v1 { // those that a rootless caller may not use are gone from it
		have[name] = true
	}
	if err := Check(r, have); err != nil {
		return err
	}
	if len(r.Unified) > 0 && c.unified == "" {
		return errdefs.Unsupported("unified cgroup settings", "this host has version 1 controllers")
	}
	if len(r.Devices) > 0 && len(c.layout.V1) > 0 && !have["devices"] && c.unified == "" && !c.rootless {
		return errdefs.Unsupported("device rules", "the cgroup controller %q is not available here", "devices")
	}
	return nil
}
