package cgroups

import (
	oci "github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// convert translates the specification's resources into the library's, but for device rules.
func convert(r *specs.LinuxResources) *oci.Resources {
	// Device rules are ours: see setDevices.
	out := &oci.Resources{Unified: r.Unified, SkipDevices: true}
	if m := r.Memory; m != nil {
		set(&out.Memory, m.Limit)
		set(&out.MemoryReservation, m.Reservation)
		set(&out.MemorySwap, m.Swap)
		set(&out.OomKillDisable, m.DisableOOMKiller)
		set(&out.MemoryCheckBeforeUpdate, m.CheckBeforeUpdate)
		out.MemorySwappiness = m.Swappiness
	}
	if c := r.CPU; c != nil {
		set(&out.CpuShares, c.Shares)
		if c.Shares != nil {
			out.CpuWeight = oci.ConvertCPUSharesToCgroupV2Value(*c.Shares)
		}
		set(&out.CpuQuota, c.Quota)
		set(&out.CpuPeriod, c.Period)
		set(&out.CpuRtRuntime, c.RealtimeRuntime)
		set(&out.CpuRtPeriod, c.RealtimePeriod)
		out.CpuBurst, out.CPUIdle = c.Burst, c.Idle
		out.CpusetCpus, out.CpusetMems = c.Cpus, c.Mems
	}
	if r.Pids != nil {
		out.PidsLimit = r.Pids.Limit
	}
	convertBlockIO(r.BlockIO, out)
	for _, h := range r.HugepageLimits {
		out.HugetlbLimit = append(out.HugetlbLimit, &oci.HugepageLimit{Pagesize: h.Pagesize, Limit: h.Limit})
	}
	for name, l := range r.Rdma {
		if out.Rdma == nil {
			out.Rdma = map[string]oci.LinuxRdma{}
		}
		out.Rdma[name] = oci.LinuxRdma{HcaHandles: l.HcaHandles, HcaObjects: l.HcaObjects}
	}
	if n := r.Network; n != nil {
		set(&out.NetClsClassid, n.ClassID)
		for _, p := range n.Priorities {
			out.NetPrioIfpriomap = append(out.NetPrioIfpriomap, &oci.IfPrioMap{Interface: p.Name, Priority: int64(p.Priority)})
		}
	}
	return out
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func convertBlockIO(b *specs.LinuxBlockIO, out *oci.Resources) {
	if b == nil {
		return
	}
	set(&out.BlkioWeight, b.Weight)
	set(&out.BlkioLeafWeight, b.LeafWeight)
	for _, d := range b.WeightDevice {
		var w, leaf uint16
		set(&w, d.Weight)
		set(&leaf, d.LeafWeight)
		out.BlkioWeightDevice = append(out.BlkioWeightDevice, oci.NewWeightDevice(d.Major, d.Minor, w, leaf))
	}
	for _, t := range []struct {
		in  []specs.LinuxThrottleDevice
		out *[]*oci.ThrottleDevice
	}{
		{b.ThrottleReadBpsDevice, &out.BlkioThrottleReadBpsDevice},
		{b.ThrottleWriteBpsDevice, &out.BlkioThrottleWriteBpsDevice},
		{b.ThrottleReadIOPSDevice, &out.BlkioThrottleReadIOPSDevice},
		{b.ThrottleWriteIOPSDevice, &out.BlkioThrottleWriteIOPSDevice},
	} {
		for _, d := range t.in {
			*t.out = append(*t.out, oci.NewThrottleDevice(d.Major, d.Minor, d.Rate))
		}
	}
}
