package spec

import (
	"math"
	"path"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// blkio settles weights and rates of block devices.
func (d *decider) blkio() error {
	req := &d.req.Limits
	io := &specs.LinuxBlockIO{}
	any := false
	if req.BlkioWeight != "" {
		w, err := blkioWeight("--blkio-weight", req.BlkioWeight, req.BlkioWeight)
		if err != nil {
			return err
		}
		if w != 0 {
			io.Weight, any = &w, true
		}
	}
	for _, word := range req.BlkioWeightDevice {
		file, value, _ := cutLast(word, ":")
		w, err := blkioWeight("--blkio-weight-device", word, value)
		if err != nil {
			return err
		}
		major, minor, err := d.blockDevice("--blkio-weight-device", word, file)
		if err != nil {
			return err
		}
		dev := specs.LinuxWeightDevice{Weight: &w}
		dev.Major, dev.Minor = major, minor
		io.WeightDevice, any = append(io.WeightDevice, dev), true
	}
	for _, one := range []struct {
		option string
		words  []string
		bytes  bool
		out    *[]specs.LinuxThrottleDevice
	}{
		{"--device-read-bps", req.DeviceReadBPS, true, &io.ThrottleReadBpsDevice},
		{"--device-write-bps", req.DeviceWriteBPS, true, &io.ThrottleWriteBpsDevice},
		{"--device-read-iops", req.DeviceReadIOPS, false, &io.ThrottleReadIOPSDevice},
		{"--device-write-iops", req.DeviceWriteIOPS, false, &io.ThrottleWriteIOPSDevice},
	} {
		for _, word := range one.words {
			dev, err := d.throttle(one.option, word, one.bytes)
			if err != nil {
				return err
			}
			*one.out, any = append(*one.out, dev), true
		}
	}
	if any {
		d.cfg.Limits.Resources.BlockIO = io
	}
	return nil
}

// blkioWeight is 10 to 1000, or 0 for unset.
func blkioWeight(option, word, value string) (uint16, error) {
	w, err := strconv.ParseUint(value, 10, 16)
	if err != nil || (w != 0 && w < 10) || w > 1000 {
		return 0, errdefs.Invalid(option, word, "not a weight").WithHint("write a number from 10 to 1000")
	}
	return uint16(w), nil
}

func (d *decider) throttle(option, word string, bytes bool) (specs.LinuxThrottleDevice, error) {
	var dev specs.LinuxThrottleDevice
	file, value, _ := cutLast(word, ":")
	if bytes {
		n, err := ParseBytes(option, value)
		if err != nil || n > math.MaxInt64/2 {
			return dev, errdefs.Invalid(option, word, "not a rate").WithHint("write DEVICE:BYTES, as /dev/sda:1mb")
		}
		dev.Rate = uint64(n)
	} else {
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			return dev, errdefs.Invalid(option, word, "not a rate").WithHint("write DEVICE:NUMBER, as /dev/sda:1000")
		}
		dev.Rate = n
	}
	major, minor, err := d.blockDevice(option, word, file)
	dev.Major, dev.Minor = major, minor
	return dev, err
}

func (d *decider) blockDevice(option, word, file string) (major, minor int64, err error) {
	if !path.IsAbs(file) {
		return 0, 0, errdefs.Invalid(option, word, "no device before ':'").WithHint("write the device's path, as /dev/sda")
	}
	if d.host.DeviceNumber == nil {
		return 0, 0, errdefs.Invalid(option, word, "devices cannot be looked at")
	}
	major, minor, err = d.host.DeviceNumber(file)
	if err != nil {
		return 0, 0, errdefs.Invalid(option, word, "%w", err).WithHint("name a block device of this host")
	}
	return major, minor, nil
}
