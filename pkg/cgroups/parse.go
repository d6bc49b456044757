package cgroups

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The words of control files, read without trust in their form: a container that owns its cgroup
// cannot write them, but other kernels can surprise. Unknown keys are kept or skipped, malformed lines are
// an error.

// maxListed bounds how many numbers a list may stand for; the kernel's own bound is 8192 processors.
const maxListed = 1 << 16

// parseNumber reads an unsigned number; "max" and -1 are the largest.
func parseNumber(s string) (uint64, error) {
	s = strings.TrimSpace(s)
	if s == "max" || s == "-1" {
		return math.MaxUint64, nil
	}
	return strconv.ParseUint(s, 10, 64)
}

// parseFlat reads lines of a key and a number. Lines whose value is no number are skipped.
func parseFlat(s string) map[string]uint64 {
	out := map[string]uint64{}
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		if n, err := parseNumber(f[1]); err == nil {
			out[strings.TrimSuffix(f[0], ":")] = n
		}
	}
	return out
}

// parseList reads a list of numbers and ranges, like "0-3,7".
func parseList(s string) ([]uint16, error) {
	var out []uint16
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	for _, part := range strings.Split(s, ",") {
		low, high, ranged := strings.Cut(part, "-")
		a, err := strconv.ParseUint(low, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number or a range", part)
		}
		b := a
		if ranged {
			if b, err = strconv.ParseUint(high, 10, 16); err != nil || b < a {
				return nil, fmt.Errorf("%q is not a number or a range", part)
			}
		}
		if len(out)+int(b-a) >= maxListed {
			return nil, fmt.Errorf("it stands for more than %d numbers", maxListed)
		}
		for n := a; n <= b; n++ {
			out = append(out, uint16(n))
		}
	}
	return out, nil
}

// parseNumbers reads numbers between spaces, as cpuacct.usage_percpu has them.
func parseNumbers(s string) ([]uint64, error) {
	var out []uint64
	for _, f := range strings.Fields(s) {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// parseBlkio reads the lines of a version 1 counter: "8:0 Read 123", or without the word. The line
// with the total of all devices is skipped.
func parseBlkio(s string) ([]BlkioEntry, error) {
	var out []BlkioEntry
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "Total" {
			continue
		}
		var e BlkioEntry
		var err error
		if len(f) < 2 || len(f) > 3 {
			return nil, fmt.Errorf("malformed line %q", line)
		}
		if e.Major, e.Minor, err = parseDevice(f[0]); err != nil {
			return nil, err
		}
		if e.Value, err = strconv.ParseUint(f[len(f)-1], 10, 64); err != nil {
			return nil, err
		}
		if len(f) == 3 {
			e.Op = f[1]
		}
		out = append(out, e)
	}
	return out, nil
}

func parseDevice(s string) (major, minor uint64, err error) {
	a, b, ok := strings.Cut(s, ":")
	if !ok {
		return 0, 0, fmt.Errorf("%q is no device number", s)
	}
	if major, err = strconv.ParseUint(a, 10, 32); err != nil {
		return 0, 0, err
	}
	minor, err = strconv.ParseUint(b, 10, 32)
	return major, minor, err
}

// parseIOStat reads io.stat of version 2: "8:0 rbytes=1 wbytes=2 rios=3 ...". What is not one of
// these four is skipped, and so is a device of which nothing is told.
func parseIOStat(s string) (bytes, requests []BlkioEntry, err error) {
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		major, minor, err := parseDevice(f[0])
		if err != nil {
			return nil, nil, err
		}
		for _, pair := range f[1:] {
			key, value, _ := strings.Cut(pair, "=")
			e := BlkioEntry{Major: major, Minor: minor}
			list := &bytes
			switch key {
			case "rbytes":
				e.Op = "Read"
			case "wbytes":
				e.Op = "Write"
			case "rios":
				e.Op, list = "Read", &requests
			case "wios":
				e.Op, list = "Write", &requests
			default:
				continue
			}
			if e.Value, err = strconv.ParseUint(value, 10, 64); err != nil {
				return nil, nil, err
			}
			*list = append(*list, e)
		}
	}
	return bytes, requests, nil
}

// parsePSI reads a pressure file. Source: kernel Documentation/accounting/psi.rst.
func parsePSI(s string) (*PSI, error) {
	p := &PSI{}
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		d := &PSIData{}
		for _, pair := range f[1:] {
			key, value, _ := strings.Cut(pair, "=")
			var err error
			switch key {
			case "avg10":
				d.Avg10, err = parseAverage(value)
			case "avg60":
				d.Avg60, err = parseAverage(value)
			case "avg300":
				d.Avg300, err = parseAverage(value)
			case "total":
				d.Total, err = strconv.ParseUint(value, 10, 64)
			}
			if err != nil {
				return nil, err
			}
		}
		switch f[0] {
		case "some":
			p.Some = d
		case "full":
			p.Full = d
		}
	}
	return p, nil
}

// parseAverage reads a share of time in percent.
func parseAverage(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsNaN(n) || math.IsInf(n, 0) || n < 0) {
		return 0, fmt.Errorf("%q is no share of time", s)
	}
	return n, err
}

// parseRDMA reads rdma.current or rdma.max: "mlx5_0 hca_handle=2 hca_object=max".
func parseRDMA(s string) ([]RDMAEntry, error) {
	var out []RDMAEntry
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		e := RDMAEntry{Device: f[0]}
		for _, pair := range f[1:] {
			key, value, _ := strings.Cut(pair, "=")
			n := uint64(math.MaxUint32)
			if value != "max" {
				var err error
				if n, err = strconv.ParseUint(value, 10, 32); err != nil {
					return nil, err
				}
			}
			switch key {
			case "hca_handle":
				e.HcaHandles = uint32(n)
			case "hca_object":
				e.HcaObjects = uint32(n)
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// parsePIDs reads a process list. 0 stands for a process of another pid namespace, and is skipped.
func parsePIDs(s string) ([]int, error) {
	var out []int
	for _, f := range strings.Fields(s) {
		n, err := strconv.ParseInt(f, 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no process id", f)
		}
		if n > 0 {
			out = append(out, int(n))
		}
	}
	return out, nil
}
