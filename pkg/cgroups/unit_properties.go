package cgroups

import (
	"math"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/cgroups/systemd"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// scopeBasics are the properties that every scope has: delegated, accounted, and held by one process.
// Source: systemd.resource-control(5), systemd.scope(5).
func scopeBasics(cfg Config, l *Layout, pid int) []systemd.Property {
	slice, text := cfg.Slice, cfg.Description
	if slice == "" {
		slice = "system.slice"
		if cfg.UserBus {
			slice = "user.slice"
		}
	}
	if text == "" {
		text = "container " + strings.TrimSuffix(cfg.Scope, ".scope")
	}
	io := "IOAccounting"
	if len(l.V1) > 0 {
		io = "BlockIOAccounting"
	}
	return []systemd.Property{
		{Name: "Description", Value: text},
		{Name: "Slice", Value: slice},
		{Name: "PIDs", Value: []uint32{uint32(pid)}},
		{Name: "Delegate", Value: true},
		{Name: "DefaultDependencies", Value: false},
		{Name: "CPUAccounting", Value: true},
		{Name: "MemoryAccounting", Value: true},
		{Name: "TasksAccounting", Value: true},
		{Name: io, Value: true},
	}
}

// scopeLimits are the resources that systemd has properties for; the rest stands in the files only.
// Both are set: the files hold what was asked for to the last digit, the properties keep systemd
// from putting its own values there when it is reloaded.
func scopeLimits(r *specs.LinuxResources, unified bool, systemdVersion int) []systemd.Property {
	if r == nil {
		return nil
	}
	p := &scopeProperties{version: systemdVersion}
	p.cpu(r.CPU, unified)
	if unified {
		p.memoryV2(r.Memory)
		if r.BlockIO != nil {
			if n, ok := given(r.BlockIO.Weight); ok {
				p.add("IOWeight", ioWeight(n))
			}
		}
	} else {
		p.v1(r)
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		// systemd knows no limit of 0.
		n := *r.Pids.Limit
		p.add("TasksMax", infinity(max(n, -1), 1))
	}
	p.unified(r.Unified)
	return p.list
}

type scopeProperties struct {
	version int
	list    []systemd.Property
}

func (p *scopeProperties) add(name string, value any) {
	p.list = append(p.list, systemd.Property{Name: name, Value: value})
}

// infinity is a limit in systemd's words, and least instead of 0.
func infinity(n int64, least uint64) uint64 {
	if n < 0 {
		return math.MaxUint64
	}
	return max(uint64(n), least)
}

func (p *scopeProperties) v1(r *specs.LinuxResources) {
	if r.Memory != nil {
		if n, ok := given(r.Memory.Limit); ok {
			p.add("MemoryLimit", infinity(n, 0))
		}
	}
	if r.BlockIO != nil {
		if n, ok := given(r.BlockIO.Weight); ok {
			p.add("BlockIOWeight", uint64(n))
		}
	}
}

func (p *scopeProperties) memoryV2(m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	limit, limited := given(m.Limit)
	if limited {
		p.add("MemoryMax", infinity(limit, 0))
	}
	if n, ok := given(m.Reservation); ok {
		p.add("MemoryLow", infinity(n, 0))
	}
	switch swap, ok := given(m.Swap); {
	case ok && swap < 0:
		p.add("MemorySwapMax", uint64(math.MaxUint64))
	case ok && limited && limit > 0 && swap >= limit:
		p.add("MemorySwapMax", uint64(swap-limit))
	}
}

// The versions of systemd that brought a property.
const (
	sinceQuotaPeriod = 242
	sinceCpusets     = 244
	sinceIdleWeight  = 252
)

func (p *scopeProperties) cpu(c *specs.LinuxCPU, unified bool) {
	if c == nil {
		return
	}
	idle := c.Idle != nil && *c.Idle == 1
	if n, ok := given(c.Shares); ok && !unified {
		p.add("CPUShares", n)
	} else if ok && !idle {
		p.add("CPUWeight", Weight(n))
	}
	if idle && unified && p.version >= sinceIdleWeight {
		p.add("CPUWeight", uint64(0)) // systemd's word for idle
	}
	period, periodic := given(c.Period)
	if periodic && p.version >= sinceQuotaPeriod {
		p.add("CPUQuotaPeriodUSec", period)
	}
	if n, ok := given(c.Quota); ok {
		p.add("CPUQuotaPerSecUSec", quotaPerSecond(n, period))
	}
	if !unified {
		return
	}
	p.set("AllowedCPUs", c.Cpus)
	p.set("AllowedMemoryNodes", c.Mems)
}

// quotaPerSecond is the processor time in each second, in microseconds. systemd counts in hundredths,
// so it is rounded up to 10 ms.
func quotaPerSecond(quota int64, period uint64) uint64 {
	const second, step, defaultPeriod = 1000000, 10000, 100000
	if quota <= 0 {
		return math.MaxUint64
	}
	if period == 0 {
		period = defaultPeriod
	}
	if uint64(quota) > math.MaxUint64/second-step {
		return math.MaxUint64
	}
	n := uint64(quota) * second / period
	return (n + step - 1) / step * step
}

// mask is a set of numbers as bits, lowest first.
func mask(numbers []uint16) []byte {
	var b []byte
	for _, n := range numbers {
		for int(n/8) >= len(b) {
			b = append(b, 0)
		}
		b[n/8] |= 1 << (n % 8)
	}
	return b
}

// unifiedMemory are the properties of control files with a size.
var unifiedMemory = map[string]string{
	"memory.min": "MemoryMin", "memory.low": "MemoryLow", "memory.high": "MemoryHigh",
	"memory.max": "MemoryMax", "memory.swap.max": "MemorySwapMax", "pids.max": "TasksMax",
}

// unified adds the control files that systemd has properties for. A value in a form that only the
// kernel reads, like 100M, is left to the file.
func (p *scopeProperties) unified(files map[string]string) {
	for _, name := range sortedKeys(files) {
		value := strings.TrimSpace(files[name])
		if property, ok := unifiedMemory[name]; ok {
			if n, err := parseNumber(value); err == nil {
				p.add(property, n)
			}
			continue
		}
		switch name {
		case "cpu.weight":
			if n, err := strconv.ParseUint(value, 10, 64); err == nil {
				p.add("CPUWeight", n)
			}
		case "cpu.max":
			p.cpuMax(value)
		case "cpuset.cpus":
			p.set("AllowedCPUs", value)
		case "cpuset.mems":
			p.set("AllowedMemoryNodes", value)
		}
	}
}

// set adds a list of processors or nodes.
func (p *scopeProperties) set(name, list string) {
	if n, err := parseList(list); err == nil && len(n) > 0 && p.version >= sinceCpusets {
		p.add(name, mask(n))
	}
}

func (p *scopeProperties) cpuMax(value string) {
	f := strings.Fields(value)
	if len(f) == 0 {
		return
	}
	quota, period := int64(-1), uint64(0)
	if n, err := strconv.ParseInt(f[0], 10, 64); err == nil {
		quota = n
	}
	if len(f) == 2 {
		period, _ = strconv.ParseUint(f[1], 10, 64)
	}
	if period > 0 && p.version >= sinceQuotaPeriod {
		p.add("CPUQuotaPeriodUSec", period)
	}
	p.add("CPUQuotaPerSecUSec", quotaPerSecond(quota, period))
}
