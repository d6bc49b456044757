package cgroups

import (
	"strconv"
	"strings"
)

// The kernel gives the times of cpuacct.stat in ticks, of which every architecture has 100 a second (USER_HZ).
const tick = 1e7 // nanoseconds

const microsecond = 1000 // nanoseconds

func (r *statReader) cpu(s *Stats) {
	s.CPU.PSI = r.pressure("cpu.pressure")
	if dir, ver := r.at("cpu"); ver == v1 {
		t := r.flat(dir, "cpu.stat")
		s.CPU.Throttling = Throttling{Periods: t["nr_periods"], ThrottledPeriods: t["nr_throttled"], ThrottledTime: t["throttled_time"]}
	}
	if dir, ver := r.at("cpuacct"); ver == v1 {
		r.cpuacct(dir, &s.CPU.Usage)
		return
	}
	// Version 2 tells the times without the controller, too.
	t := r.flat(r.c.unified, "cpu.stat")
	s.CPU.Usage.Total, s.CPU.Usage.User, s.CPU.Usage.Kernel = t["usage_usec"]*microsecond, t["user_usec"]*microsecond, t["system_usec"]*microsecond
	if _, ver := r.at("cpu"); ver == v2 {
		s.CPU.Throttling = Throttling{Periods: t["nr_periods"], ThrottledPeriods: t["nr_throttled"], ThrottledTime: t["throttled_usec"] * microsecond}
	}
}

// cpuacct reads the version 1 account. Source: kernel Documentation/admin-guide/cgroup-v1/cpuacct.rst.
func (r *statReader) cpuacct(dir string, u *CPUUsage) {
	u.Total = r.number(dir, "cpuacct.usage")
	t := r.flat(dir, "cpuacct.stat")
	u.User, u.Kernel = t["user"]*tick, t["system"]*tick
	if text, ok := r.read(dir, "cpuacct.usage_percpu"); ok {
		n, err := parseNumbers(text)
		r.parsed("cpuacct.usage_percpu", err)
		u.Percpu = n
	}
	if text, ok := r.read(dir, "cpuacct.usage_all"); ok {
		user, kernel, err := parseUsageAll(text)
		r.parsed("cpuacct.usage_all", err)
		u.PercpuUser, u.PercpuKernel = user, kernel
	}
}

// parseUsageAll reads lines of a processor, its user time and its kernel time below a headline.
func parseUsageAll(s string) (user, kernel []uint64, err error) {
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "cpu" {
			continue
		}
		u, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			return nil, nil, err
		}
		k, err := strconv.ParseUint(f[2], 10, 64)
		if err != nil {
			return nil, nil, err
		}
		user, kernel = append(user, u), append(kernel, k)
	}
	return user, kernel, nil
}

func (r *statReader) cpuset(s *Stats) {
	dir, ver := r.at("cpuset")
	if ver == v2 {
		s.CPUSet.CPUs, s.CPUSet.Mems = r.list(dir, "cpuset.cpus.effective"), r.list(dir, "cpuset.mems.effective")
		return
	}
	s.CPUSet.CPUs, s.CPUSet.Mems = r.list(dir, "cpuset.cpus"), r.list(dir, "cpuset.mems")
	for file, to := range map[string]*uint64{
		"cpu_exclusive": &s.CPUSet.CPUExclusive, "mem_hardwall": &s.CPUSet.MemHardwall, "mem_exclusive": &s.CPUSet.MemExclusive,
		"memory_migrate": &s.CPUSet.MemoryMigrate, "memory_spread_page": &s.CPUSet.MemorySpreadPage,
		"memory_spread_slab": &s.CPUSet.MemorySpreadSlab, "memory_pressure": &s.CPUSet.MemoryPressure,
		"sched_load_balance": &s.CPUSet.SchedLoadBalance,
	} {
		*to = r.number(dir, "cpuset."+file)
	}
	if text, ok := r.read(dir, "cpuset.sched_relax_domain_level"); ok {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		r.parsed("cpuset.sched_relax_domain_level", err)
		s.CPUSet.SchedRelaxDomainLevel = n
	}
}
