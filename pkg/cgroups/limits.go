package cgroups

import (
	"errors"
	"fmt"
	fsys "io/fs"
	"os"
	"path/filepath"
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

func (c *Cgroup) checkControllers(r *specs.LinuxResources) error {
	has := func(name string) bool { _, ok := c.v1[name]; return ok }
	if len(c.layout.V1) == 0 {
		b, _ := os.ReadFile(filepath.Join(c.unified, "cgroup.controllers"))
		have := map[string]bool{}
		for _, n := range strings.Fields(string(b)) {
			have[n] = true
		}
		has = func(name string) bool {
			if name == "blkio" {
				name = "io"
			}
			return have[name]
		}
	}
	for name, field := range controllersOf(r) {
		if !has(name) {
			return errdefs.Unsupported(field, "the cgroup controller %q is not available here", name)
		}
	}
	if len(r.Unified) > 0 && len(c.layout.V1) > 0 {
		return errdefs.Unsupported("unified cgroup settings", "this host has version 1 controllers")
	}
	if len(r.Devices) > 0 && len(c.layout.V1) > 0 && !has("devices") && !c.rootless {
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
