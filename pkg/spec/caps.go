package spec

import (
	"slices"
	"sort"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// allCapabilities are those of the kernel, in the order of their numbers (0 to 40).
// Source: capabilities(7), linux/capability.h.
var allCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
	"CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// allWord stands for every capability.
const allWord = "ALL"

// Capabilities returns the names of all known capabilities, by number; the caller may keep it.
func Capabilities() []string { return slices.Clone(allCapabilities) }

// ParseCapability makes a capability's full name of any case, with or without CAP_;
// "all" gives "ALL". option is named in an error, of class invalid.
func ParseCapability(option, word string) (string, error) {
	name := strings.ToUpper(word)
	if name == allWord {
		return name, nil
	}
	if !strings.HasPrefix(name, "CAP_") {
		name = "CAP_" + name
	}
	if !slices.Contains(allCapabilities, name) {
		return "", errdefs.Invalid(option, word, "unknown capability").WithHint("write a name of capabilities(7), as NET_ADMIN, or ALL")
	}
	return name, nil
}

// capabilities settles the bounding set.
func (d *decider) capabilities() error {
	s, req := &d.cfg.Security, &d.req.Security
	s.Privileged = req.Privileged || (d.def.Privileged && !d.req.Given("privileged"))
	var err error
	if s.CapAdd, err = parseCaps("--cap-add", req.CapAdd); err != nil {
		return err
	}
	if s.CapDrop, err = parseCaps("--cap-drop", req.CapDrop); err != nil {
		return err
	}
	for _, c := range s.CapAdd {
		if slices.Contains(s.CapDrop, c) {
			return errdefs.Invalid("--cap-add", c, "also in --cap-drop").WithHint("leave one of the two out")
		}
	}
	base := d.grantable(allCapabilities)
	if !s.Privileged {
		base = nil
		for _, word := range d.def.Capabilities {
			c, err := ParseCapability("default_capabilities", word)
			if err != nil {
				return err
			}
			base = append(base, c)
		}
	}
	s.Capabilities = d.mergeCaps(base, s.CapAdd, s.CapDrop)
	return nil
}

func parseCaps(option string, words []string) ([]string, error) {
	var out []string
	for _, word := range words {
		c, err := ParseCapability(option, word)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out, nil
}

// grantable drops those that this host cannot give; used where ALL was asked for.
func (d *decider) grantable(caps []string) []string {
	if d.host.Capabilities == nil {
		return slices.Clone(caps)
	}
	return slices.DeleteFunc(slices.Clone(caps), func(c string) bool { return !slices.Contains(d.host.Capabilities, c) })
}

// mergeCaps: dropping ALL leaves what is added; adding ALL leaves out what is dropped.
func (d *decider) mergeCaps(base, add, drop []string) []string {
	switch {
	case slices.Contains(drop, allWord):
		base = nil
	case slices.Contains(add, allWord):
		base = d.grantable(allCapabilities)
	}
	var out []string
	for _, c := range append(slices.Clone(base), add...) {
		if c != allWord && !slices.Contains(drop, c) && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	sort.Strings(out)
	return out
}
