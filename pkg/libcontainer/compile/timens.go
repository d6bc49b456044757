package compile

import (
	"sort"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// timeOffsets makes the text for /proc/PID/timens_offsets. Source: time_namespaces(7).
func (c *compiler) timeOffsets() error {
	offsets := c.spec.Linux.TimeOffsets
	if len(offsets) == 0 {
		return nil
	}
	if c.h.CloneFlags&unix.CLONE_NEWTIME == 0 {
		return invalid("linux.timeOffsets", "", "need a new %s namespace", specs.TimeNamespace)
	}
	clocks := make([]string, 0, len(offsets))
	for clock := range offsets {
		clocks = append(clocks, clock)
	}
	sort.Strings(clocks)
	var b strings.Builder
	for _, clock := range clocks {
		o := offsets[clock]
		switch {
		case clock != "monotonic" && clock != "boottime":
			return invalid("linux.timeOffsets", clock, "want monotonic or boottime")
		case o.Nanosecs >= 1e9:
			return invalid("linux.timeOffsets."+clock+".nanosecs", strconv.FormatUint(uint64(o.Nanosecs), 10), "want less than a second")
		}
		b.WriteString(clock + " " + strconv.FormatInt(o.Secs, 10) + " " + strconv.FormatUint(uint64(o.Nanosecs), 10) + "\n")
	}
	c.h.TimeOffsets = b.String()
	return nil
}
