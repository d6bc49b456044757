package cgroups

import (
	"errors"
	"fmt"
	fsys "io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	oci "github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Set changes the limits. Fields that are not set keep their value; nil changes nothing. Errors
// are those of Create.
func (c *Cgroup) Set(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	if err := c.checkControllers(r); err != nil {
		return err
	}
	rules, err := deviceRules(r)
	if err != nil {
		return err
	}
	res := convert(r)
	if c.layout.Mode() == Disabled {
		return nil
	}
	m, err := c.manager(res)
	if err != nil {
		return err
	}
	if err := m.Set(res); err != nil {
		return refused(err)
	}
	return c.setDevices(rules)
}

// refused names the file whose value the kernel did not take.
func refused(err error) error {
	e := &errdefs.Error{Op: "set limit", Class: errdefs.ErrInvalid, Cause: err, Hint: "choose a value that this host allows"}
	var file *fsys.PathError
	if errors.As(err, &file) {
		e.Name, e.Cause = filepath.Base(file.Path), file.Err
	}
	return e
}

// controllersOf are the controllers that limits need, with the field that needs them. On version 2
// blkio is io, cpu.cpus and mems are cpuset, and devices need none.
func controllersOf(r *specs.LinuxResources) map[string]string {
	need := map[string]string{}
	if r.Memory != nil {
		need["memory"] = "memory limit"
	}
	if p := r.Pids; p != nil && p.Limit != nil && *p.Limit >= 0 {
		need["pids"] = "pids limit"
	}
	if cpu := r.CPU; cpu != nil {
		if cpu.Cpus != "" || cpu.Mems != "" {
			need["cpuset"] = "cpuset"
		}
		if cpu.Shares != nil || cpu.Quota != nil || cpu.Period != nil || cpu.Burst != nil || cpu.Idle != nil ||
			cpu.RealtimePeriod != nil || cpu.RealtimeRuntime != nil {
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

// limited says that something other than device rules is asked for.
func limited(r *specs.LinuxResources) bool {
	return r != nil && (len(controllersOf(r)) > 0 || len(r.Unified) > 0)
}

// Controllers are the controllers that a container's cgroup can use on this host, under their
// version 1 names.
func (l *Layout) Controllers() map[string]bool { return l.controllers(l.Unified) }

// controllers are those of the version 1 hierarchies or, without any, of a version 2 directory.
func (l *Layout) controllers(unified string) map[string]bool {
	have := map[string]bool{}
	for _, h := range l.V1 {
		for _, name := range h.Controllers {
			have[name] = true
		}
	}
	if len(l.V1) > 0 {
		return have
	}
	b, _ := os.ReadFile(filepath.Join(unified, "cgroup.controllers"))
	for _, n := range strings.Fields(string(b)) {
		have[n] = true
	}
	have["blkio"] = have["io"]
	return have
}

// Check says whether controllers are enough for limits, before anything is made: ErrUnsupported
// names the limit and the controller that is lacking.
func Check(r *specs.LinuxResources, have map[string]bool) error {
	if r == nil {
		return nil
	}
	need := controllersOf(r)
	for _, name := range slices.Sorted(maps.Keys(need)) {
		if !have[name] {
			return errdefs.Unsupported(need[name], "the cgroup controller %q is not available here", name).
				WithHint("leave the limit out, or mount the controller")
		}
	}
	return nil
}

func (c *Cgroup) checkControllers(r *specs.LinuxResources) error {
	have := map[string]bool{}
	for name := range c.v1 { // those that a rootless caller may not use are gone from it
		have[name] = true
	}
	if len(c.layout.V1) == 0 {
		have = c.layout.controllers(c.unified)
	}
	if err := Check(r, have); err != nil {
		return err
	}
	if len(r.Unified) > 0 && len(c.layout.V1) > 0 {
		return errdefs.Unsupported("unified cgroup settings", "this host has version 1 controllers")
	}
	if len(r.Devices) > 0 && len(c.layout.V1) > 0 && !have["devices"] && !c.rootless {
		return errdefs.Unsupported("device rules", "the cgroup controller %q is not available here", "devices")
	}
	return nil
}

// manager is the library's view of this cgroup.
func (c *Cgroup) manager(r *oci.Resources) (oci.Manager, error) {
	if r == nil {
		r = &oci.Resources{SkipDevices: true}
	}
	cfg := &oci.Cgroup{Path: c.path, Resources: r, Rootless: c.rootless}
	if len(c.layout.V1) > 0 {
		return fs.NewManager(cfg, c.v1)
	}
	if c.unified == "" {
		return nil, errdefs.Unsupported("cgroup "+c.path, "no cgroup file system is mounted at "+root)
	}
	return fs2.NewManager(cfg, c.unified)
}

// Stats are the counters of every controller. The type is the library's.
func (c *Cgroup) Stats() (*oci.Stats, error) {
	m, err := c.manager(nil)
	if err != nil {
		return nil, err
	}
	st, err := m.GetStats()
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	return st, nil
}
