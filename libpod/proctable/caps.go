package proctable

import (
	"strconv"
	"strings"

	"github.com/moby/sys/capability"
)

// capabilities spells a mask of /proc/PID/status: "none", "full", or names without CAP_.
func capabilities(hex string) string {
	mask, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return "?"
	}
	var (
		names []string
		all   = true
	)
	for _, c := range capability.ListKnown() {
		if mask&(1<<uint(c)) == 0 {
			all = false
			continue
		}
		names = append(names, strings.ToUpper(c.String()))
	}
	switch {
	case len(names) == 0:
		return "none"
	case all:
		return "full"
	}
	return strings.Join(names, ",")
}
