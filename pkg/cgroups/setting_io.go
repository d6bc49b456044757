package cgroups

import (
	"fmt"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const fieldBlockIO = "linux.resources.blockIO."

// blockIO writes weights and throttles. Weights belong to the scheduler BFQ or, without it, to the
// cost model of version 2, which counts otherwise.
// Source: kernel Documentation/admin-guide/cgroup-v1/blkio-controller.rst, cgroup-v2.rst, "IO"; block/bfq-iosched.rst.
func (b *builder) blockIO() {
	io := b.r.BlockIO
	if io == nil {
		return
	}
	if b.version("blkio") == v1 {
		b.weightsV1(io)
		b.throttleV1(io)
		return
	}
	b.weightsV2(io)
	b.throttleV2(io)
}

func (b *builder) weightsV1(io *specs.LinuxBlockIO) {
	file, device := "blkio.weight", "blkio.weight_device"
	if b.current("blkio", "blkio.bfq.weight") != "" {
		file, device = "blkio.bfq.weight", "blkio.bfq.weight_device"
	}
	if n, ok := given(io.Weight); ok {
		b.put("blkio", file, unsigned(uint64(n)), fieldBlockIO+"weight")
	}
	if n, ok := given(io.LeafWeight); ok {
		b.put("blkio", "blkio.leaf_weight", unsigned(uint64(n)), fieldBlockIO+"leafWeight")
	}
	for i, d := range io.WeightDevice {
		field := fmt.Sprintf("%sweightDevice[%d].", fieldBlockIO, i)
		if d.Weight != nil {
			b.put("blkio", device, fmt.Sprintf("%d:%d %d", d.Major, d.Minor, *d.Weight), field+"weight")
		}
		if d.LeafWeight != nil {
			b.put("blkio", "blkio.leaf_weight_device", fmt.Sprintf("%d:%d %d", d.Major, d.Minor, *d.LeafWeight), field+"leafWeight")
		}
	}
}

func (b *builder) weightsV2(io *specs.LinuxBlockIO) {
	if _, ok := given(io.LeafWeight); ok {
		b.fail(onlyV1(fieldBlockIO + "leafWeight"))
		return
	}
	bfq := b.current("blkio", "io.bfq.weight") != ""
	file, convert := "io.weight", ioWeight
	if bfq {
		file, convert = "io.bfq.weight", func(n uint16) uint64 { return uint64(n) }
	}
	if n, ok := given(io.Weight); ok {
		b.put("blkio", file, "default "+unsigned(convert(n)), fieldBlockIO+"weight")
	}
	for i, d := range io.WeightDevice {
		field := fmt.Sprintf("%sweightDevice[%d].", fieldBlockIO, i)
		if d.LeafWeight != nil {
			b.fail(onlyV1(field + "leafWeight"))
			return
		}
		if d.Weight != nil {
			b.put("blkio", file, fmt.Sprintf("%d:%d %d", d.Major, d.Minor, convert(*d.Weight)), field+"weight")
		}
	}
}

// ioWeight maps 10 to 1000 onto the 1 to 10000 of io.weight.
func ioWeight(n uint16) uint64 {
	if n < 10 {
		return 1
	}
	return 1 + (uint64(n)-10)*9999/990
}

// throttleList is one of the four lists.
type throttleList struct {
	devices []specs.LinuxThrottleDevice
	// v1 and v2 are the file and the key of io.max.
	v1, v2, field string
}

func throttles(io *specs.LinuxBlockIO) []throttleList {
	return []throttleList{
		{io.ThrottleReadBpsDevice, "blkio.throttle.read_bps_device", "rbps", "throttleReadBpsDevice"},
		{io.ThrottleWriteBpsDevice, "blkio.throttle.write_bps_device", "wbps", "throttleWriteBpsDevice"},
		{io.ThrottleReadIOPSDevice, "blkio.throttle.read_iops_device", "riops", "throttleReadIOPSDevice"},
		{io.ThrottleWriteIOPSDevice, "blkio.throttle.write_iops_device", "wiops", "throttleWriteIOPSDevice"},
	}
}

func (b *builder) throttleV1(io *specs.LinuxBlockIO) {
	for _, l := range throttles(io) {
		for i, d := range l.devices {
			b.put("blkio", l.v1, fmt.Sprintf("%d:%d %d", d.Major, d.Minor, d.Rate), fmt.Sprintf("%s%s[%d].rate", fieldBlockIO, l.field, i))
		}
	}
}

// throttleV2: a rate of 0 is no limit, as on version 1.
func (b *builder) throttleV2(io *specs.LinuxBlockIO) {
	for _, l := range throttles(io) {
		for i, d := range l.devices {
			rate := unsigned(d.Rate)
			if d.Rate == 0 {
				rate = "max"
			}
			b.put("blkio", "io.max", fmt.Sprintf("%d:%d %s=%s", d.Major, d.Minor, l.v2, rate), fmt.Sprintf("%s%s[%d].rate", fieldBlockIO, l.field, i))
		}
	}
}

// validateBlockIO checks weights and device numbers.
func validateBlockIO(io *specs.LinuxBlockIO) error {
	if io == nil {
		return nil
	}
	weights := map[string]*uint16{"weight": io.Weight, "leafWeight": io.LeafWeight}
	for i, d := range io.WeightDevice {
		field := fmt.Sprintf("weightDevice[%d]", i)
		if d.Weight == nil && d.LeafWeight == nil {
			return errdefs.Invalid(fieldBlockIO+field, fmt.Sprintf("%d:%d", d.Major, d.Minor), "has neither weight nor leafWeight")
		}
		if err := validateDevice(fieldBlockIO+field, d.Major, d.Minor); err != nil {
			return err
		}
		weights[field+".weight"], weights[field+".leafWeight"] = d.Weight, d.LeafWeight
	}
	for _, field := range sortedKeys(weights) {
		n, set := given(weights[field])
		if set && (n < 10 || n > 1000) {
			return errdefs.Invalid(fieldBlockIO+field, unsigned(uint64(n)), "want 10 to 1000")
		}
	}
	for _, l := range throttles(io) {
		for i, d := range l.devices {
			if err := validateDevice(fmt.Sprintf("%s%s[%d]", fieldBlockIO, l.field, i), d.Major, d.Minor); err != nil {
				return err
			}
		}
	}
	return nil
}

func validateDevice(field string, major, minor int64) error {
	for _, n := range []struct {
		name   string
		number int64
	}{{".major", major}, {".minor", minor}} {
		if n.number < 0 || n.number > 1<<32-1 {
			return errdefs.Invalid(field+n.name, signed(n.number), "want a device number")
		}
	}
	return nil
}
