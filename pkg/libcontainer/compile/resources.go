package compile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Resources checks limits without touching the kernel. Errors are of class ErrInvalid and begin with the
// field below field: "linux.resources" for a configuration.
func Resources(field string, r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	for _, check := range []func(string, *specs.LinuxResources) error{
		checkDeviceRules, checkMemory, checkCPU, checkPids, checkBlockIO, checkHugepages, checkNetwork, checkRdma, checkUnified,
	} {
		if err := check(field, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) resources() error {
	return Resources("linux.resources", c.spec.Linux.Resources)
}

func checkDeviceRules(field string, r *specs.LinuxResources) error {
	for i, d := range r.Devices {
		at := fmt.Sprintf("%s.devices[%d]", field, i)
		switch d.Type {
		case "", "a", "b", "c":
		default:
			return invalid(at+".type", d.Type, "want a, b or c")
		}
		if strings.Trim(d.Access, "rwm") != "" {
			return invalid(at+".access", d.Access, "want letters of rwm")
		}
		for _, n := range []struct {
			name string
			v    *int64
		}{{"major", d.Major}, {"minor", d.Minor}} {
			if n.v != nil && (*n.v < -1 || *n.v >= 1<<32) { // -1 means all, as left out does
				return invalid(at+"."+n.name, strconv.FormatInt(*n.v, 10), "want a device number")
			}
		}
	}
	return nil
}

func checkMemory(field string, r *specs.LinuxResources) error {
	m := r.Memory
	if m == nil {
		return nil
	}
	field += ".memory"
	for _, n := range []struct {
		name string
		v    *int64
	}{
		{"limit", m.Limit},
		{"reservation", m.Reservation},
		{"swap", m.Swap},
		{"kernelTCP", m.KernelTCP},
		//lint:ignore SA1019 it is still in configurations
		{"kernel", m.Kernel},
	} {
		if n.v != nil && *n.v < -1 {
			return invalid(field+"."+n.name, strconv.FormatInt(*n.v, 10), "want bytes, or -1 for no limit")
		}
	}
	if m.Swappiness != nil && *m.Swappiness > 100 {
		return invalid(field+".swappiness", strconv.FormatUint(*m.Swappiness, 10), "want 0 to 100")
	}
	limit, swap := value(m.Limit), value(m.Swap)
	switch {
	case swap > 0 && limit > 0 && swap < limit:
		return invalid(field+".swap", strconv.FormatInt(swap, 10), "is memory and swap together, so at least the limit %d", limit)
	case swap > 0 && limit == -1:
		return invalid(field+".swap", strconv.FormatInt(swap, 10), "cannot be limited when memory is not")
	}
	return nil
}

// value is *p, or 0.
func value[T int64 | uint64](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}

// Bounds of the scheduler. Source: kernel sched-bwc.rst, kernel/sched/core.c.
const (
	minCFSTime = 1000    // microseconds
	maxCFSTime = 1000000 // microseconds
)

func checkCPU(field string, r *specs.LinuxResources) error {
	c := r.CPU
	if c == nil {
		return nil
	}
	field += ".cpu"
	quota, period, burst := value(c.Quota), value(c.Period), value(c.Burst)
	rt, rtPeriod := value(c.RealtimeRuntime), value(c.RealtimePeriod)
	switch {
	case period != 0 && (period < minCFSTime || period > maxCFSTime):
		return invalid(field+".period", strconv.FormatUint(period, 10), "want %d to %d microseconds", minCFSTime, maxCFSTime)
	case quota > 0 && quota < minCFSTime:
		return invalid(field+".quota", strconv.FormatInt(quota, 10), "want at least %d microseconds, or -1 for no limit", minCFSTime)
	case quota < -1:
		return invalid(field+".quota", strconv.FormatInt(quota, 10), "want microseconds, or -1 for no limit")
	case quota > 0 && burst > uint64(quota):
		return invalid(field+".burst", strconv.FormatUint(burst, 10), "is above the quota %d", quota)
	case rt < -1:
		return invalid(field+".realtimeRuntime", strconv.FormatInt(rt, 10), "want microseconds, or -1 for no limit")
	case rt > 0 && rtPeriod > 0 && uint64(rt) > rtPeriod:
		return invalid(field+".realtimeRuntime", strconv.FormatInt(rt, 10), "is above the period %d", rtPeriod)
	case c.Idle != nil && *c.Idle != 0 && *c.Idle != 1:
		return invalid(field+".idle", strconv.FormatInt(*c.Idle, 10), "want 0 or 1")
	}
	if _, err := numberList(c.Cpus); err != nil {
		return invalid(field+".cpus", c.Cpus, "%v", err)
	}
	if _, err := numberList(c.Mems); err != nil {
		return invalid(field+".mems", c.Mems, "%v", err)
	}
	return nil
}

func checkPids(field string, r *specs.LinuxResources) error {
	if r.Pids != nil && value(r.Pids.Limit) < -1 {
		return invalid(field+".pids.limit", strconv.FormatInt(*r.Pids.Limit, 10), "want a number of tasks, or -1 for no limit")
	}
	return nil
}

func checkBlockIO(field string, r *specs.LinuxResources) error {
	b := r.BlockIO
	if b == nil {
		return nil
	}
	field += ".blockIO"
	if err := checkWeight(field+".weight", b.Weight); err != nil {
		return err
	}
	if err := checkWeight(field+".leafWeight", b.LeafWeight); err != nil {
		return err
	}
	for i, d := range b.WeightDevice {
		at := fmt.Sprintf("%s.weightDevice[%d]", field, i)
		if d.Weight == nil && d.LeafWeight == nil {
			return invalid(at, "", "has neither weight nor leafWeight")
		}
		if err := checkNumbers(at, d.Major, d.Minor); err != nil {
			return err
		}
		if err := checkWeight(at+".weight", d.Weight); err != nil {
			return err
		}
		if err := checkWeight(at+".leafWeight", d.LeafWeight); err != nil {
			return err
		}
	}
	for _, l := range []struct {
		name string
		list []specs.LinuxThrottleDevice
	}{
		{"throttleReadBpsDevice", b.ThrottleReadBpsDevice},
		{"throttleWriteBpsDevice", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", b.ThrottleReadIOPSDevice},
		{"throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice},
	} {
		for i, d := range l.list {
			if err := checkNumbers(fmt.Sprintf("%s.%s[%d]", field, l.name, i), d.Major, d.Minor); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkWeight takes 0 as unset, as engines send it.
func checkWeight(field string, w *uint16) error {
	if w != nil && *w != 0 && (*w < 10 || *w > 1000) {
		return invalid(field, strconv.Itoa(int(*w)), "want 10 to 1000")
	}
	return nil
}

func checkNumbers(field string, major, minor int64) error {
	if major < 0 || major >= 1<<32 {
		return invalid(field+".major", strconv.FormatInt(major, 10), "want a device number")
	}
	if minor < 0 || minor >= 1<<32 {
		return invalid(field+".minor", strconv.FormatInt(minor, 10), "want a device number")
	}
	return nil
}

var pageSize = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[1-9][0-9]*[KMG]B$`) })

func checkHugepages(field string, r *specs.LinuxResources) error {
	seen := map[string]bool{}
	for i, h := range r.HugepageLimits {
		at := fmt.Sprintf("%s.hugepageLimits[%d].pageSize", field, i)
		if !pageSize().MatchString(h.Pagesize) {
			return invalid(at, h.Pagesize, "want a size as 64KB, 2MB or 1GB")
		}
		if seen[h.Pagesize] {
			return invalid(at, h.Pagesize, "is listed twice")
		}
		seen[h.Pagesize] = true
	}
	return nil
}

func checkNetwork(field string, r *specs.LinuxResources) error {
	if r.Network == nil {
		return nil
	}
	for i, p := range r.Network.Priorities {
		if p.Name == "" || strings.ContainsAny(p.Name, " \t\n/") {
			return invalid(fmt.Sprintf("%s.network.priorities[%d].name", field, i), p.Name, "want an interface's name")
		}
	}
	return nil
}

func checkRdma(field string, r *specs.LinuxResources) error {
	for name, l := range r.Rdma {
		at := field + ".rdma." + name
		if name == "" || strings.ContainsAny(name, " \t\n") {
			return invalid(field+".rdma", name, "want a device's name")
		}
		if l.HcaHandles == nil && l.HcaObjects == nil {
			return invalid(at, "", "has neither hcaHandles nor hcaObjects")
		}
	}
	return nil
}

func checkUnified(field string, r *specs.LinuxResources) error {
	for name := range r.Unified {
		at := field + ".unified"
		controller, file, _ := strings.Cut(name, ".")
		switch {
		case strings.ContainsAny(name, "/\x00\n"), controller == "" || file == "":
			return invalid(at, name, "want the name of a cgroup file, as memory.high")
		case strings.HasPrefix(name, "cgroup.") && (file == "procs" || file == "threads" || file == "subtree_control"):
			return invalid(at, name, "is the runtime's own")
		}
	}
	return nil
}

// numberList reads the kernel's list format: "0-3,5,7-9". "" is no number. Source: cpuset(7), "List format".
func numberList(text string) ([]int, error) {
	const most = 1 << 13 // the kernel's bound on processors
	var out []int
	if text == "" {
		return nil, nil
	}
	for _, part := range strings.Split(strings.TrimSuffix(text, "\n"), ",") {
		lo, hi, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			hi = lo
		}
		a, errA := strconv.ParseUint(lo, 10, 16)
		b, errB := strconv.ParseUint(hi, 10, 16)
		if errA != nil || errB != nil || a > b || b >= most {
			return nil, fmt.Errorf("want a list of numbers as 0-3,5")
		}
		for n := a; n <= b; n++ {
			out = append(out, int(n))
		}
	}
	return out, nil
}
