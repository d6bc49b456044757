package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// defaultMasked are unreadable in every container: they tell of the host, or act on it.
// At least as wide as the peers', with the power and thermal files (GHSA-7ww5-4wqc-m92c).
var defaultMasked = []string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	"/sys/dev/block", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
}

// defaultReadonly can be read but not written.
var defaultReadonly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}

// masks are the two lists while options change them.
type masks struct{ masked, readonly []string }

func newMasks(privileged bool, throttle []string) *masks {
	if privileged {
		return &masks{}
	}
	return &masks{
		masked:   append(slices.Clone(defaultMasked), throttle...),
		readonly: slices.Clone(defaultReadonly),
	}
}

func (m *masks) mask(p string) {
	if p = path.Clean(p); !slices.Contains(m.masked, p) {
		m.masked = append(m.masked, p)
	}
}

// unmask takes ALL or paths and globs joined by ":", out of both lists.
func (m *masks) unmask(value string) error {
	if strings.EqualFold(value, allWord) {
		m.masked, m.readonly = nil, nil
		return nil
	}
	for _, pattern := range strings.Split(value, ":") {
		if !strings.HasPrefix(pattern, "/") {
			return fmt.Errorf("the path is not absolute")
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("bad pattern %q", pattern)
		}
		pattern = path.Clean(pattern)
		match := func(p string) bool {
			ok, _ := path.Match(pattern, p)
			return ok || p == pattern
		}
		m.masked = slices.DeleteFunc(m.masked, match)
		m.readonly = slices.DeleteFunc(m.readonly, match)
	}
	return nil
}
