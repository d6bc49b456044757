package libpod

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// addHostResources shows the cgroup's limits under Docker's names.
func addHostResources(h *InspectHostConfig, r *specs.LinuxResources) {
	if r == nil {
		return
	}
	if m := r.Memory; m != nil {
		setFrom(&h.Memory, m.Limit)
		setFrom(&h.MemorySwap, m.Swap)
		setFrom(&h.MemoryReservation, m.Reservation)
		setFrom(&h.OomKillDisable, m.DisableOOMKiller)
		h.MemorySwappiness = m.Swappiness
	}
	if c := r.CPU; c != nil {
		setFrom(&h.CPUShares, c.Shares)
		setFrom(&h.CPUQuota, c.Quota)
		setFrom(&h.CPUPeriod, c.Period)
		setFrom(&h.CPURealtimeRuntime, c.RealtimeRuntime)
		setFrom(&h.CPURealtimePeriod, c.RealtimePeriod)
		h.CpusetCpus, h.CpusetMems = c.Cpus, c.Mems
	}
	if r.Pids != nil {
		setFrom(&h.PidsLimit, r.Pids.Limit)
	}
	if b := r.BlockIO; b != nil {
		setFrom(&h.BlkioWeight, b.Weight)
		for _, w := range b.WeightDevice {
			if w.Weight != nil {
				h.BlkioWeightDevice = append(h.BlkioWeightDevice, InspectWeight{Path: blockDevice(w.Major, w.Minor), Weight: *w.Weight})
			}
		}
		h.BlkioDeviceReadBps = throttles(b.ThrottleReadBpsDevice)
		h.BlkioDeviceWriteBps = throttles(b.ThrottleWriteBpsDevice)
		h.BlkioDeviceReadIOps = throttles(b.ThrottleReadIOPSDevice)
		h.BlkioDeviceWriteIOps = throttles(b.ThrottleWriteIOPSDevice)
	}
	if len(r.Unified) > 0 {
		h.CgroupConf = r.Unified
	}
}

func setFrom[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func throttles(list []specs.LinuxThrottleDevice) []InspectThrottle {
	var shown []InspectThrottle
	for _, t := range list {
		shown = append(shown, InspectThrottle{Path: blockDevice(t.Major, t.Minor), Rate: t.Rate})
	}
	return shown
}

// blockDevice names a device by its numbers: the kernel's name for it where sysfs has it,
// else "major:minor".
func blockDevice(major, minor int64) string {
	numbers := fmt.Sprintf("%d:%d", major, minor)
	var buf [unix.PathMax]byte
	n, err := unix.Readlink("/sys/dev/block/"+numbers, buf[:])
	if err != nil {
		return numbers
	}
	return "/dev/" + strings.ReplaceAll(filepath.Base(string(buf[:n])), "!", "/")
}
