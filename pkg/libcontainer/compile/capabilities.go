package compile

import (
	"strings"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
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
		names []string
		mask  *uint64
	}{
		{c.Bounding, &out.Bounding},
		{c.Effective, &out.Effective},
		{c.Permitted, &out.Permitted},
		{c.Inheritable, &out.Inheritable},
		{c.Ambient, &out.Ambient},
	} {
		mask, unknown := capabilityMask(s.names)
		*s.mask = mask
		for _, u := range unknown {
			warnings = append(warnings, "unknown capability "+u+" left out")
		}
	}
	return out, warnings
}
