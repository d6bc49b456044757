package cgroups

import (
	"fmt"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Validate says whether resources can mean anything, without a look at the host: ErrInvalid names the
// JSON field, like "linux.resources.memory.limit". Nil is valid. In the fields of memory, cpu and
// blockIO the number 0 means that nothing is asked for, as other runtimes have it.
// Source: OCI runtime-spec, config-linux.md, "Control groups".
func Validate(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	if _, err := deviceRules(r); err != nil {
		return err
	}
	for _, check := range []func() error{
		func() error { return validateMemory(r.Memory) },
		func() error { return validateCPU(r.CPU) },
		func() error { return validatePids(r.Pids) },
		func() error { return validateBlockIO(r.BlockIO) },
		func() error { return validateHugetlb(r.HugepageLimits) },
		func() error { return validateRDMA(r.Rdma) },
		func() error { return validateNetwork(r.Network) },
		func() error { return validateUnified(r.Unified) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Warnings are what a user should hear about resources that are valid and can do nothing.
func Warnings(r *specs.LinuxResources) []string {
	if r == nil || r.Memory == nil {
		return nil
	}
	var out []string
	//lint:ignore SA1019 it is still in configurations
	kernel := r.Memory.Kernel
	if positive(kernel) {
		out = append(out, fieldMemory+"kernel: kernels have no such limit any more; it is not set")
	}
	if positive(r.Memory.KernelTCP) {
		out = append(out, fieldMemory+"kernelTCP: kernels have no such limit any more; it is not set")
	}
	return out
}

func validateMemory(m *specs.LinuxMemory) error {
	if m == nil {
		return nil
	}
	for _, c := range []struct {
		field string
		n     *int64
	}{
		{"limit", m.Limit},
		{"reservation", m.Reservation},
		{"swap", m.Swap},
		{"kernelTCP", m.KernelTCP},
		//lint:ignore SA1019 it is still in configurations
		{"kernel", m.Kernel},
	} {
		if c.n != nil && *c.n < -1 {
			return errdefs.Invalid(fieldMemory+c.field, signed(*c.n), "want bytes, or -1 for no limit")
		}
	}
	limit, l := given(m.Limit)
	if swap, s := given(m.Swap); l && s && swap > 0 {
		if limit < 0 {
			return errdefs.Invalid(fieldMemory+"swap", signed(swap), "cannot be limited when memory is not")
		}
		if swap < limit {
			return errdefs.Invalid(fieldMemory+"swap", signed(swap), "is memory and swap together, so at least the limit %d", limit)
		}
	}
	if m.Swappiness != nil && *m.Swappiness > 100 {
		return errdefs.Invalid(fieldMemory+"swappiness", unsigned(*m.Swappiness), "want 0 to 100")
	}
	return nil
}

// The bounds of the bandwidth control, in microseconds.
const (
	minQuota  = 1000
	minPeriod = 1000
	maxPeriod = 1000000
)

func validateCPU(c *specs.LinuxCPU) error {
	if c == nil {
		return nil
	}
	quota, limited := given(c.Quota)
	if limited && quota < -1 {
		return errdefs.Invalid(fieldCPU+"quota", signed(quota), "want microseconds, or -1 for no limit")
	}
	if limited && quota > 0 && quota < minQuota {
		return errdefs.Invalid(fieldCPU+"quota", signed(quota), "want at least %d microseconds, or -1 for no limit", minQuota)
	}
	if n, ok := given(c.Period); ok && (n < minPeriod || n > maxPeriod) {
		return errdefs.Invalid(fieldCPU+"period", unsigned(n), "want %d to %d microseconds", minPeriod, maxPeriod)
	}
	if n, ok := given(c.Burst); ok && limited && quota > 0 && n > uint64(quota) {
		return errdefs.Invalid(fieldCPU+"burst", unsigned(n), "is above the quota %d", quota)
	}
	if n, ok := given(c.Shares); ok && n > maxShares {
		return errdefs.Invalid(fieldCPU+"shares", unsigned(n), "want at most %d", maxShares)
	}
	if c.Idle != nil && *c.Idle != 0 && *c.Idle != 1 {
		return errdefs.Invalid(fieldCPU+"idle", signed(*c.Idle), "want 0 or 1")
	}
	return validateSets(c)
}

func validateSets(c *specs.LinuxCPU) error {
	if n, ok := given(c.RealtimeRuntime); ok && n < -1 {
		return errdefs.Invalid(fieldCPU+"realtimeRuntime", signed(n), "want microseconds, or -1 for no limit")
	}
	runtime, r := given(c.RealtimeRuntime)
	if period, p := given(c.RealtimePeriod); p && r && runtime > 0 && uint64(runtime) > period {
		return errdefs.Invalid(fieldCPU+"realtimeRuntime", signed(runtime), "is above the period %d", period)
	}
	for _, l := range []struct{ field, list string }{{"cpus", c.Cpus}, {"mems", c.Mems}} {
		if l.list == "" {
			continue
		}
		if _, err := parseList(l.list); err != nil {
			return errdefs.Invalid(fieldCPU+l.field, l.list, "want a list of numbers as 0-3,5: %w", err)
		}
	}
	return nil
}

func validatePids(p *specs.LinuxPids) error {
	if p != nil && p.Limit != nil && *p.Limit < -1 {
		return errdefs.Invalid(fieldResources+"pids.limit", signed(*p.Limit), "want a number of tasks, or -1 for no limit")
	}
	return nil
}

func validateHugetlb(limits []specs.LinuxHugepageLimit) error {
	seen := map[string]bool{}
	for i, h := range limits {
		field := fmt.Sprintf("%shugepageLimits[%d].pageSize", fieldResources, i)
		digits := strings.TrimRight(h.Pagesize, "KMGB")
		unit := h.Pagesize[len(digits):]
		if digits == "" || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' || (unit != "KB" && unit != "MB" && unit != "GB") {
			return errdefs.Invalid(field, h.Pagesize, "want a size as 64KB, 2MB or 1GB")
		}
		if seen[h.Pagesize] {
			return errdefs.Invalid(field, h.Pagesize, "is listed twice")
		}
		seen[h.Pagesize] = true
	}
	return nil
}

func validateRDMA(devices map[string]specs.LinuxRdma) error {
	for _, name := range sortedKeys(devices) {
		if name == "" || strings.ContainsAny(name, " \t\n\x00") {
			return errdefs.Invalid(fieldResources+"rdma", name, "want a device's name")
		}
		if l := devices[name]; l.HcaHandles == nil && l.HcaObjects == nil {
			return errdefs.Invalid(fieldResources+"rdma."+name, "", "has neither hcaHandles nor hcaObjects")
		}
	}
	return nil
}

func validateNetwork(n *specs.LinuxNetwork) error {
	if n == nil {
		return nil
	}
	for i, p := range n.Priorities {
		if p.Name == "" || strings.ContainsAny(p.Name, " \t\n\x00/") {
			return errdefs.Invalid(fmt.Sprintf("%snetwork.priorities[%d].name", fieldResources, i), p.Name, "want an interface's name")
		}
	}
	return nil
}

func validateUnified(files map[string]string) error {
	for _, name := range sortedKeys(files) {
		controller, rest, ok := strings.Cut(name, ".")
		if !ok || controller == "" || rest == "" || strings.ContainsAny(name, "/\x00\n") {
			return errdefs.Invalid(fieldResources+"unified", name, "want the name of a cgroup file, as memory.high")
		}
		if controller == "cgroup" && (rest == "procs" || rest == "threads" || rest == "subtree_control") {
			return errdefs.Invalid(fieldResources+"unified", name, "is the runtime's own")
		}
		if strings.ContainsRune(files[name], 0) {
			return errdefs.Invalid(fieldResources+"unified."+name, files[name], "it has a NUL byte")
		}
	}
	return nil
}
