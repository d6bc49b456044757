package spec

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// cdiName is VENDOR/CLASS=NAME. Source: CDI specification, "Device names".
// Compiled at the first use: it would cost every start of the program.
var cdiName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z][A-Za-z0-9_-]*=[A-Za-z0-9][A-Za-z0-9_.:-]*$`)
})

// devices settles host devices and CDI names.
func (d *decider) devices() error {
	if err := d.gpus(); err != nil {
		return err
	}
	words := d.req.Security.Device
	for _, word := range append(append([]string{}, d.def.Devices...), words...) {
		if cdiName().MatchString(word) {
			d.cfg.Security.CDIDevices = append(d.cfg.Security.CDIDevices, word)
			continue
		}
		dev, err := ParseDevice(word)
		if err != nil {
			return err
		}
		if d.host.PathExists != nil && !d.host.PathExists(dev.Host) {
			return errdefs.New(errdefs.ErrNotFound, "", dev.Host, "no such file or directory").WithOp("--device").
				WithHint("name a device of this host")
		}
		d.cfg.Security.Devices = append(d.cfg.Security.Devices, dev)
	}
	return nil
}

// gpus turns names into those of NVIDIA's CDI devices, the only ones with a common spelling.
func (d *decider) gpus() error {
	for _, name := range d.req.Security.GPUs {
		word := "nvidia.com/gpu=" + name
		if !cdiName().MatchString(word) {
			return errdefs.Invalid("--gpus", name, "not a GPU's name").WithHint("write all, or a name or number of the CDI specification of nvidia.com/gpu")
		}
		d.cfg.Security.CDIDevices = append(d.cfg.Security.CDIDevices, word)
	}
	return nil
}

// ParseDevice reads HOST[:CONTAINER][:PERMISSIONS]; the container's path defaults to the
// host's and the permissions to rwm. Errors are of class invalid.
func ParseDevice(word string) (Device, error) {
	bad := func(cause string) (Device, error) {
		return Device{}, errdefs.Invalid("--device", word, "%s", cause).WithHint("write /dev/HOST[:/dev/CONTAINER][:rwm]")
	}
	parts := strings.Split(word, ":")
	dev := Device{Host: parts[0], Container: parts[0], Permissions: "rwm"}
	switch len(parts) {
	case 1:
	case 2:
		if validDeviceMode(parts[1]) {
			dev.Permissions = parts[1]
		} else {
			dev.Container = parts[1]
		}
	case 3:
		dev.Container, dev.Permissions = parts[1], parts[2]
	default:
		return bad("too many colons")
	}
	if !validDeviceMode(dev.Permissions) {
		return bad("permissions are r, w and m")
	}
	for _, p := range []string{dev.Host, dev.Container} {
		if !path.IsAbs(p) || hasControl(p) || path.Clean(p) == "/" {
			return bad("the path is not absolute")
		}
	}
	dev.Host, dev.Container = path.Clean(dev.Host), path.Clean(dev.Container)
	return dev, nil
}

func validDeviceMode(s string) bool {
	if s == "" || len(s) > 3 {
		return false
	}
	for i, c := range s {
		if !strings.ContainsRune("rwm", c) || strings.ContainsRune(s[:i], c) {
			return false
		}
	}
	return true
}

// ParseDeviceRule reads TYPE MAJOR:MINOR ACCESS ("c 1:3 rwm"; a, b or c; * for any
// number). Errors are of class invalid. Source: kernel cgroup-v1/devices.rst.
func ParseDeviceRule(word string) (specs.LinuxDeviceCgroup, error) {
	rule := specs.LinuxDeviceCgroup{Allow: true}
	bad := func() (specs.LinuxDeviceCgroup, error) {
		return specs.LinuxDeviceCgroup{}, errdefs.Invalid("--device-cgroup-rule", word, "not a device rule").
			WithHint("write TYPE MAJOR:MINOR ACCESS, as c 1:3 rwm")
	}
	fields := strings.Fields(word)
	if len(fields) != 3 || !validDeviceMode(fields[2]) {
		return bad()
	}
	switch fields[0] {
	case "a", "b", "c":
	default:
		return bad()
	}
	major, minor, ok := strings.Cut(fields[1], ":")
	if !ok {
		return bad()
	}
	for _, one := range []struct {
		word string
		out  **int64
	}{{major, &rule.Major}, {minor, &rule.Minor}} {
		if one.word == "*" {
			continue
		}
		n, err := strconv.ParseUint(one.word, 10, 32)
		if err != nil {
			return bad()
		}
		v := int64(n)
		*one.out = &v
	}
	rule.Type, rule.Access = fields[0], fields[2]
	return rule, nil
}

// deviceRules keeps the user's rules. Generate puts the denial of all before them, and
// the rules of the container's own devices after.
func (d *decider) deviceRules() error {
	for _, word := range d.req.Security.DeviceCgroupRule {
		rule, err := ParseDeviceRule(word)
		if err != nil {
			return err
		}
		if d.host.Rootless {
			return errdefs.Unsupported("--device-cgroup-rule", "a user's cgroups decide nothing about devices; the mode of the host's node does").
				WithHint("leave it out, or run it as root")
		}
		d.cfg.Limits.Resources.Devices = append(d.cfg.Limits.Resources.Devices, rule)
	}
	return nil
}
