package cgroups

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	for in, want := range map[string][]uint16{
		"": nil, "\n": nil, "0\n": {0}, "0-2,7": {0, 1, 2, 7}, "3,1": {3, 1}, "65535": {65535},
	} {
		if got, err := parseList(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"a", "1-", "-1", "2-1", "1,,2", "65536", "0-65535,0", "1 2"} {
		if got, err := parseList(in); err == nil {
			t.Errorf("%q: %v, want an error", in, got)
		}
	}
}

func TestParseIOStat(t *testing.T) {
	bytes, requests, err := parseIOStat("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n253:1 \n")
	if err != nil || !reflect.DeepEqual(bytes, []BlkioEntry{{8, 0, "Read", 10}, {8, 0, "Write", 20}}) ||
		!reflect.DeepEqual(requests, []BlkioEntry{{8, 0, "Read", 1}, {8, 0, "Write", 2}}) {
		t.Errorf("%v, %v, %v", bytes, requests, err)
	}
}

func TestParsePSI(t *testing.T) {
	p, err := parsePSI("some avg10=1.50 avg60=0.25 avg300=0.00 total=42\nfull avg10=0.00 avg60=0.00 avg300=0.10 total=7\n")
	if err != nil || *p.Some != (PSIData{1.5, 0.25, 0, 42}) || *p.Full != (PSIData{0, 0, 0.1, 7}) {
		t.Errorf("%+v %+v, %v", p.Some, p.Full, err)
	}
}

func TestParseRDMA(t *testing.T) {
	got, err := parseRDMA("mlx4_0 hca_handle=2 hca_object=max\n")
	if err != nil || len(got) != 1 || got[0] != (RDMAEntry{"mlx4_0", 2, math.MaxUint32}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestParseProcCgroup(t *testing.T) {
	got := parseProcCgroup("4:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/c:d\nnonsense\n")
	want := map[string]string{"cpu": "/a", "cpuacct": "/a", "name=systemd": "/b", "": "/c:d"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func FuzzParseList(f *testing.F) {
	for _, s := range []string{"", "0-3,7", "0", "65535-65535", "1-0", ",", "0-65535,0-65535"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if l, err := parseList(s); err == nil && len(l) > maxListed {
			t.Errorf("%d numbers", len(l))
		}
	})
}

func FuzzParseBlkio(f *testing.F) {
	for _, s := range []string{"8:0 Read 1\n8:0 Total 2\nTotal 3\n", "8:0 12\n", "", "8 1", "8:0 Read", "4294967296:0 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := parseBlkio(s)
		if err == nil && len(e) > strings.Count(s, "\n")+1 {
			t.Errorf("%d entries of %q", len(e), s)
		}
	})
}

func FuzzParseIOStat(f *testing.F) {
	for _, s := range []string{"8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n", "8:0", "8:0 rbytes=", "(unknown) rbytes=1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bytes, requests, err := parseIOStat(s)
		if err != nil && (bytes != nil || requests != nil) {
			t.Error("a result with an error")
		}
	})
}

func FuzzParsePSI(f *testing.F) {
	for _, s := range []string{"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", "full avg10=NaN", "some total=-1", "full"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePSI(s)
		if err != nil {
			return
		}
		for _, d := range []*PSIData{p.Some, p.Full} {
			if d != nil && (d.Avg10 < 0 || math.IsNaN(d.Avg10) || math.IsInf(d.Avg10, 0)) {
				t.Errorf("average %v", d.Avg10)
			}
		}
	})
}

func FuzzParseRDMA(f *testing.F) {
	for _, s := range []string{"mlx5_0 hca_handle=2 hca_object=max\n", "mlx5_0", "a hca_handle=4294967296", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { _, _ = parseRDMA(s) })
}

func FuzzParsePIDs(f *testing.F) {
	for _, s := range []string{"1\n2\n", "0\n", "-1", "99999999999", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pids, err := parsePIDs(s)
		if err != nil {
			return
		}
		for _, pid := range pids {
			if pid <= 0 {
				t.Errorf("process %d would be a group or everyone", pid)
			}
		}
	})
}

func FuzzParseFlat(f *testing.F) {
	for _, s := range []string{"oom 1\noom_kill 2\n", "usage_usec 18446744073709551615\n", "a b c\n", "a max\n", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { _ = parseFlat(s) })
}

func FuzzParseUsageAll(f *testing.F) {
	f.Add("cpu user system\n0 1 2\n1 3 4\n")
	f.Add("0 -1 2\n")
	f.Fuzz(func(t *testing.T, s string) {
		if u, k, err := parseUsageAll(s); err == nil && len(u) != len(k) {
			t.Errorf("%d and %d", len(u), len(k))
		}
	})
}

func FuzzParseProcCgroup(f *testing.F) {
	f.Add("4:cpu,cpuacct:/a\n0::/c\n")
	f.Add("::\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range parseProcCgroup(s) {
			if !strings.HasPrefix(p, "/") {
				t.Errorf("path %q", p)
			}
		}
	})
}

func FuzzLayout(f *testing.F) {
	f.Add("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
	f.Add("1 2 3:4 / /sys/fs/cgroup - cgroup2\n")
	f.Fuzz(func(t *testing.T, s string) {
		l := &Layout{}
		for line := range strings.Lines(s) {
			l.addMount(line)
		}
		for _, dir := range append([]string{l.Unified}, hierarchyDirs(l)...) {
			if dir != "" && dir != root && !strings.HasPrefix(dir, root+"/") {
				t.Errorf("a hierarchy at %q", dir)
			}
		}
	})
}

func hierarchyDirs(l *Layout) []string {
	var out []string
	for _, h := range l.V1 {
		out = append(out, h.Dir)
	}
	return out
}
