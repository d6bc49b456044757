package netdev

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Counters are what went through a network interface since it was made. The names in JSON are those of the
// events that OCI engines read (network_interfaces of runc's "stats" event).
type Counters struct {
	Name                                    string
	RxBytes, RxPackets, RxErrors, RxDropped uint64
	TxBytes, TxPackets, TxErrors, TxDropped uint64
}

// CountersOf are those of the interfaces in a process's network namespace, nil if that is this process's own.
func CountersOf(pid int) ([]Counters, error) {
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil || ours == theirs {
		return nil, err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		return nil, err
	}
	return parseCounters(string(b)), nil
}

// parseCounters reads net/dev: two lines of headings, then "NAME: " and 16 numbers, eight received and eight sent.
// Source: proc_pid_net(5), kernel net/core/net-procfs.c.
func parseCounters(table string) []Counters {
	var out []Counters
	for line := range strings.Lines(table) {
		name, list, found := strings.Cut(line, ":")
		f := strings.Fields(list)
		if !found || len(f) != 16 {
			continue
		}
		var n [16]uint64
		for i := range f {
			n[i], _ = strconv.ParseUint(f[i], 10, 64) // the kernel's own numbers
		}
		out = append(out, Counters{
			Name: strings.TrimSpace(name), RxBytes: n[0], RxPackets: n[1], RxErrors: n[2], RxDropped: n[3],
			TxBytes: n[8], TxPackets: n[9], TxErrors: n[10], TxDropped: n[11],
		})
	}
	return out
}
