package spec

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The kernel's bounds of a CFS bandwidth period and quota, in microseconds.
// Source: kernel sched-bwc.rst.
const (
	minCPUPeriod = 1000
	maxCPUPeriod = 1000000
	minCPUQuota  = 1000
	// cpusPeriod is the period that --cpus uses.
	cpusPeriod = 100000
)

// cpu settles shares, bandwidth, real time and the cpuset.
func (d *decider) cpu() error {
	req := &d.req.Limits
	if req.CPURTPeriod != 0 {
		if err := d.v1only("--cpu-rt-period"); err != nil {
			return err
		}
	}
	if req.CPURTRuntime != 0 {
		if err := d.v1only("--cpu-rt-runtime"); err != nil {
			return err
		}
	}
	cpu, err := CPULimits(req)
	if err != nil {
		return err
	}
	d.cfg.Limits.CPUs = req.CPUs
	if *cpu != (specs.LinuxCPU{}) {
		d.cfg.Limits.Resources.CPU = cpu
	}
	return nil
}

// CPULimits makes OCI processor limits of the CPU fields of a request; zero and empty
// fields are left out. Errors are of class invalid.
func CPULimits(req *LimitRequest) (*specs.LinuxCPU, error) {
	cpu := &specs.LinuxCPU{Cpus: req.CpusetCPUs, Mems: req.CpusetMems}
	for option, word := range map[string]string{"--cpuset-cpus": req.CpusetCPUs, "--cpuset-mems": req.CpusetMems} {
		if err := checkCpuset(option, word); err != nil {
			return nil, err
		}
	}
	if req.CPUShares != 0 {
		if req.CPUShares < 2 || req.CPUShares > 262144 {
			return nil, errdefs.Invalid("--cpu-shares", strconv.FormatUint(req.CPUShares, 10), "out of range").WithHint("write a number from 2 to 262144")
		}
		cpu.Shares = &req.CPUShares
	}
	if req.CPURTPeriod != 0 {
		cpu.RealtimePeriod = &req.CPURTPeriod
	}
	if req.CPURTRuntime != 0 {
		cpu.RealtimeRuntime = &req.CPURTRuntime
	}
	return cpu, bandwidth(req, cpu)
}

func bandwidth(req *LimitRequest, cpu *specs.LinuxCPU) error {
	if req.CPUs != 0 {
		word := strconv.FormatFloat(req.CPUs, 'g', -1, 64)
		if req.CPUPeriod != 0 || req.CPUQuota != 0 {
			return errdefs.Invalid("--cpus", word, "--cpu-period and --cpu-quota say the same").WithHint("leave --cpus or the others out")
		}
		quota := int64(math.Round(req.CPUs * cpusPeriod))
		if !(req.CPUs > 0) || req.CPUs > 1<<20 || quota < minCPUQuota {
			return errdefs.Invalid("--cpus", word, "out of range").WithHint("write a number of processors of at least 0.01")
		}
		period := uint64(cpusPeriod)
		cpu.Quota, cpu.Period = &quota, &period
		return nil
	}
	if p := req.CPUPeriod; p != 0 {
		if p < minCPUPeriod || p > maxCPUPeriod {
			return errdefs.Invalid("--cpu-period", strconv.FormatUint(p, 10), "out of range").WithHint("write microseconds from 1000 to 1000000")
		}
		cpu.Period = &req.CPUPeriod
	}
	if q := req.CPUQuota; q != 0 {
		if q != -1 && q < minCPUQuota {
			return errdefs.Invalid("--cpu-quota", strconv.FormatInt(q, 10), "out of range").WithHint("write microseconds of at least 1000, or -1 for no limit")
		}
		cpu.Quota = &req.CPUQuota
	}
	return nil
}

// checkCpuset takes lists of numbers and ranges: 0-2,5.
func checkCpuset(option, list string) error {
	if list == "" {
		return nil
	}
	for _, part := range strings.Split(list, ",") {
		if err := checkRange(part); err != nil {
			return errdefs.Invalid(option, list, "%w", err).WithHint("write numbers and ranges, as 0-2,5")
		}
	}
	return nil
}

// maxCPU is the highest number of a processor that a kernel can be built for. Source: arch/x86/Kconfig, NR_CPUS.
const maxCPU = 8191

func checkRange(part string) error {
	first, last, isRange := strings.Cut(part, "-")
	lo, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return fmt.Errorf("%q is not a number or range", part)
	}
	hi := lo
	if isRange {
		if hi, err = strconv.ParseUint(last, 10, 16); err != nil || hi < lo {
			return fmt.Errorf("%q is not a range", part)
		}
	}
	if hi > maxCPU {
		return fmt.Errorf("no machine has a number %d", hi)
	}
	return nil
}
