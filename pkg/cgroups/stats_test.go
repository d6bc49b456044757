package cgroups

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestStatsUnified(t *testing.T) {
	l := fakeHost(t, true, nil, map[string]string{
		"unified/c/cpu.stat":     "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 5\nnr_throttled 2\nthrottled_usec 7\n",
		"unified/c/cpu.pressure": "some avg10=1.00 avg60=0.00 avg300=0.00 total=9\n",
		"unified/c/memory.max":   "1000\n", "unified/c/memory.current": "400\n", "unified/c/memory.peak": "500\n",
		"unified/c/memory.swap.max": "max\n", "unified/c/memory.swap.current": "50\n",
		"unified/c/memory.stat":   "anon 100\nfile 200\nkernel 30\n",
		"unified/c/memory.events": "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n", "unified/c/memory.swap.events": "fail 4\n",
		"unified/c/pids.current": "3\n", "unified/c/pids.max": "max\n", "unified/c/io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n",
		"unified/c/cpuset.cpus.effective": "0-1\n", "unified/c/cpuset.mems.effective": "0\n",
		"unified/c/hugetlb.2MB.current": "8\n", "unified/c/hugetlb.2MB.rsvd.current": "16\n", "unified/c/hugetlb.2MB.events": "max 6\n",
		"unified/c/rdma.current": "mlx4_0 hca_handle=2 hca_object=1\n", "unified/c/rdma.max": "mlx4_0 hca_handle=max hca_object=9\n",
	})
	s, err := locateIn(l, "/c").Stats()
	if err != nil {
		t.Fatal(err)
	}
	want := &Stats{
		CPU: CPUStats{
			Usage: CPUUsage{Total: 30000, User: 20000, Kernel: 10000}, Throttling: Throttling{5, 2, 7000},
			PSI: &PSI{Some: &PSIData{Avg10: 1, Total: 9}},
		},
		CPUSet: CPUSetStats{CPUs: []uint16{0, 1}, Mems: []uint16{0}},
		Memory: MemoryStats{
			Cache: 200, Usage: MemoryEntry{Limit: 1000, Usage: 400, Max: 500, Failcnt: 3},
			Swap: MemoryEntry{Limit: math.MaxUint64, Usage: 450, Failcnt: 4}, Kernel: MemoryEntry{Usage: 30},
			Raw: map[string]uint64{"anon": 100, "file": 200, "kernel": 30}, OOMKills: 1,
		},
		Pids: PidsStats{Current: 3},
		Blkio: BlkioStats{
			IoServiceBytesRecursive: []BlkioEntry{{8, 0, "Read", 1}, {8, 0, "Write", 2}},
			IoServicedRecursive:     []BlkioEntry{{8, 0, "Read", 3}, {8, 0, "Write", 4}},
		},
		Hugetlb: map[string]HugetlbStats{"2MB": {Usage: 16, Failcnt: 6}},
		RDMA:    &RDMAStats{Current: []RDMAEntry{{"mlx4_0", 2, 1}}, Limit: []RDMAEntry{{"mlx4_0", math.MaxUint32, 9}}},
	}
	if !reflect.DeepEqual(s, want) {
		got, _ := json.Marshal(s)
		wanted, _ := json.Marshal(want)
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
}

func TestStatsLegacy(t *testing.T) {
	l := fakeHost(t, false, []string{"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "hugetlb"}, map[string]string{
		"cpu/c/cpu.stat":          "nr_periods 5\nnr_throttled 2\nthrottled_time 7\n",
		"cpuacct/c/cpuacct.usage": "300\n", "cpuacct/c/cpuacct.stat": "user 2\nsystem 1\n", "cpuacct/c/cpuacct.usage_percpu": "100 200 \n",
		"cpuacct/c/cpuacct.usage_all": "cpu user system\n0 60 40\n1 150 50\n", "cpuset/c/cpuset.cpus": "1\n", "cpuset/c/cpuset.mems": "0\n",
		"cpuset/c/cpuset.sched_relax_domain_level": "-1\n", "cpuset/c/cpuset.sched_load_balance": "1\n",
		"memory/c/memory.limit_in_bytes": "1000\n", "memory/c/memory.usage_in_bytes": "400\n", "memory/c/memory.max_usage_in_bytes": "500\n",
		"memory/c/memory.failcnt": "3\n", "memory/c/memory.memsw.usage_in_bytes": "450\n", "memory/c/memory.stat": "cache 1\ntotal_cache 2\n",
		"memory/c/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
		"pids/c/pids.current":         "3\n", "pids/c/pids.max": "10\n",
		"blkio/c/blkio.throttle.io_service_bytes_recursive": "8:0 Read 7\n8:0 Total 7\nTotal 7\n", "blkio/c/blkio.time_recursive": "8:0 12\n",
		"hugetlb/c/hugetlb.2MB.usage_in_bytes": "1\n", "hugetlb/c/hugetlb.2MB.max_usage_in_bytes": "2\n", "hugetlb/c/hugetlb.2MB.failcnt": "3\n",
	})
	s, err := locateIn(l, "/c").Stats()
	if err != nil {
		t.Fatal(err)
	}
	want := &Stats{
		CPU: CPUStats{Usage: CPUUsage{
			Total: 300, User: 2e7, Kernel: 1e7, Percpu: []uint64{100, 200}, PercpuUser: []uint64{60, 150}, PercpuKernel: []uint64{40, 50},
		}, Throttling: Throttling{5, 2, 7}},
		CPUSet: CPUSetStats{CPUs: []uint16{1}, Mems: []uint16{0}, SchedLoadBalance: 1, SchedRelaxDomainLevel: -1},
		Memory: MemoryStats{
			Cache: 2, Usage: MemoryEntry{1000, 400, 500, 3}, Swap: MemoryEntry{Usage: 450},
			Raw: map[string]uint64{"cache": 1, "total_cache": 2}, OOMKills: 4,
		},
		Pids: PidsStats{Current: 3, Limit: 10},
		Blkio: BlkioStats{
			IoServiceBytesRecursive: []BlkioEntry{{8, 0, "Read", 7}, {8, 0, "Total", 7}}, IoTimeRecursive: []BlkioEntry{{8, 0, "", 12}},
		},
		Hugetlb: map[string]HugetlbStats{"2MB": {1, 2, 3}},
	}
	if !reflect.DeepEqual(s, want) {
		got, _ := json.Marshal(s)
		wanted, _ := json.Marshal(want)
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
}

// TestStatsBroken has files that no kernel writes.
func TestStatsBroken(t *testing.T) {
	for name, text := range map[string]string{
		"pids.max": "many", "pids.current": "-5", "memory.current": strings.Repeat("9", 30), "io.stat": "8:0 rbytes=x", "cpuset.cpus.effective": "0-",
		"memory.pressure": "some avg10=x", "rdma.current": "a hca_handle=-1",
	} {
		l := fakeHost(t, true, nil, map[string]string{"unified/c/" + name: text})
		_, err := locateIn(l, "/c").Stats()
		if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStatsEndless bounds what is read.
func TestStatsEndless(t *testing.T) {
	l := fakeHost(t, true, nil, map[string]string{"unified/c/memory.stat": strings.Repeat("a 1\n", maxStatFile/4+1)})
	if _, err := locateIn(l, "/c").Stats(); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestStatsGone(t *testing.T) {
	if _, err := locateIn(fakeHost(t, true, nil, nil), "/c").Stats(); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
