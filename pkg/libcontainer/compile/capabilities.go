package compile

import (
	"strings"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// capabilityNames in the kernel's order: the index is the number.
// Source: include/uapi/linux/capability.h.
var capabilityNames = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

func capabilityMask(names []string) (mask uint64, unknown []string) {
next:
	for _, n := range names {
		short := strings.TrimPrefix(strings.ToUpper(n), "CAP_")
		for i, known := range capabilityNames {
			if short == known {
				mask |= 1 << i
				continue next
			}
		}
		unknown = append(unknown, n)
	}
	return mask, unknown
}

// capabilities translates the five sets; unknown names are warnings, as the specification asks.
func capabilities(c *specs.LinuxCapabilities) (*plan.Capabilities, []string) {
	if c == nil {
		return nil, nil
	}
	out := &plan.Capabilities{}
	var warnings []string
	for _, s := range []struct {
		set   string
		names []string
		mask  *uint64
	}{
		{"bounding", c.Bounding, &out.Bounding},
		{"effective", c.Effective, &out.Effective},
		{"permitted", c.Permitted, &out.Permitted},
		{"inheritable", c.Inheritable, &out.Inheritable},
		{"ambient", c.Ambient, &out.Ambient},
	} {
		mask, unknown := capabilityMask(s.names)
		*s.mask = mask
		for _, u := range unknown {
			warnings = append(warnings, "process.capabilities."+s.set+": unknown capability "+u+" left out")
		}
	}
	return out, warnings
}

// ungranted are the capabilities that this process has not, and so cannot give.
func ungranted(c *plan.Capabilities) []string {
	if c == nil {
		return nil
	}
	missing := (c.Permitted | c.Effective | c.Inheritable | c.Ambient) &^ permitted()
	var out []string
	for i, name := range capabilityNames {
		if missing>>i&1 != 0 {
			out = append(out, "process.capabilities: CAP_"+name+" cannot be granted here and is left out")
		}
	}
	return out
}

// permitted are this process's capabilities; tests put others in their place.
var permitted = func() uint64 {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return ^uint64(0) // the kernel will say
	}
	return uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32
}
