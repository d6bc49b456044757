package cgroups

import (
	"math"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

const fieldCPU = "linux.resources.cpu."

// The bounds of cpu.shares, to which the kernel would clamp in silence.
const (
	minShares = 2
	maxShares = 1 << 18
)

func (b *builder) cpu() {
	if b.r.CPU == nil {
		return
	}
	if b.version("cpu") == v1 {
		b.cpuV1()
	} else {
		b.cpuV2()
	}
}

// cpuV1 writes what the version 1 controller knows. Quota, burst and period limit each other, and
// so do the two realtime values.
// Source: kernel Documentation/scheduler/sched-bwc.rst and sched-rt-group.rst.
func (b *builder) cpuV1() {
	c := b.r.CPU
	if n, ok := given(c.Shares); ok {
		if n < minShares || n > maxShares {
			b.fail(errdefs.Invalid(fieldCPU+"shares", unsigned(n), "want %d to %d", minShares, maxShares))
			return
		}
		b.add(setting{controller: "cpu", file: "cpu.shares", value: unsigned(n), field: fieldCPU + "shares", group: "weight"})
	}
	if c.Idle != nil {
		b.add(setting{
			controller: "cpu", file: "cpu.idle", value: signed(*c.Idle), field: fieldCPU + "idle",
			group: "weight", ifExists: *c.Idle == 0,
		})
	}
	if n, ok := given(c.Period); ok {
		b.add(setting{controller: "cpu", file: "cpu.cfs_period_us", value: unsigned(n), field: fieldCPU + "period", group: "bandwidth"})
	}
	if n, ok := given(c.Quota); ok {
		b.add(setting{controller: "cpu", file: "cpu.cfs_quota_us", value: signed(n), field: fieldCPU + "quota", group: "bandwidth"})
	}
	if c.Burst != nil {
		b.add(setting{
			controller: "cpu", file: "cpu.cfs_burst_us", value: unsigned(*c.Burst), field: fieldCPU + "burst",
			group: "bandwidth", ifExists: *c.Burst == 0,
		})
	}
	if n, ok := given(c.RealtimePeriod); ok {
		b.add(setting{controller: "cpu", file: "cpu.rt_period_us", value: unsigned(n), field: fieldCPU + "realtimePeriod", group: "realtime"})
	}
	if n, ok := given(c.RealtimeRuntime); ok {
		b.add(setting{controller: "cpu", file: "cpu.rt_runtime_us", value: signed(n), field: fieldCPU + "realtimeRuntime", group: "realtime"})
	}
}

// cpuV2 writes what the version 2 controller knows. An idle cgroup has no weight.
// Source: kernel Documentation/admin-guide/cgroup-v2.rst, "CPU".
func (b *builder) cpuV2() {
	c := b.r.CPU
	for field, set := range map[string]bool{"realtimePeriod": positive(c.RealtimePeriod), "realtimeRuntime": positive(c.RealtimeRuntime)} {
		if set {
			b.fail(onlyV1(fieldCPU + field))
			return
		}
	}
	if c.Idle != nil {
		b.add(setting{controller: "cpu", file: "cpu.idle", value: signed(*c.Idle), field: fieldCPU + "idle", ifExists: *c.Idle == 0})
	}
	if n, ok := given(c.Shares); ok && (c.Idle == nil || *c.Idle == 0) {
		b.put("cpu", "cpu.weight", unsigned(Weight(n)), fieldCPU+"shares")
	}
	b.bandwidthV2()
	if c.Burst != nil {
		b.add(setting{
			controller: "cpu", file: "cpu.max.burst", value: unsigned(*c.Burst), field: fieldCPU + "burst",
			group: "bandwidth", ifExists: *c.Burst == 0,
		})
	}
}

// bandwidthV2 writes quota and period in one line; the one that is not given keeps its value.
func (b *builder) bandwidthV2() {
	quota, q := given(b.r.CPU.Quota)
	period, p := given(b.r.CPU.Period)
	if !q && !p {
		return
	}
	field := fieldCPU + "quota"
	value := maximum(quota)
	if !q {
		field, value = fieldCPU+"period", "max"
		if now := strings.Fields(b.current("cpu", "cpu.max")); len(now) == 2 {
			value = now[0]
		}
	}
	if p {
		value += " " + unsigned(period)
	}
	b.add(setting{controller: "cpu", file: "cpu.max", value: value, field: field, group: "bandwidth"})
}

func (b *builder) cpuset() {
	if b.r.CPU == nil {
		return
	}
	// A cpuset of version 1 may hold no processors while processes are in it, so neither value
	// depends on the other.
	if s := b.r.CPU.Cpus; s != "" {
		b.put("cpuset", "cpuset.cpus", s, fieldCPU+"cpus")
	}
	if s := b.r.CPU.Mems; s != "" {
		b.put("cpuset", "cpuset.mems", s, fieldCPU+"mems")
	}
}

// Weight is the cpu.weight (1 to 10000) of version 2 that stands for shares (2 to 262144) of version 1.
// Both ends meet, and the defaults do: 1024 shares are a weight of 100. 0 shares are 0, which
// means unset. Source: the conversion that OCI runtimes agreed on in 2025, a parabola through the three points in
// logarithms.
func Weight(shares uint64) uint64 {
	switch {
	case shares == 0:
		return 0
	case shares <= minShares:
		return 1
	case shares >= maxShares:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

func positive[T comparable](p *T) bool {
	_, ok := given(p)
	return ok
}
