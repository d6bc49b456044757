package cgroups

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// resources reads the specification's own JSON, so that the tests show what users write.
func resources(t testing.TB, text string) *specs.LinuxResources {
	t.Helper()
	r := &specs.LinuxResources{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

// settingCase is resources and the writes that they become: "file=value". An error stands in
// place of writes, as "error field".
type settingCase struct {
	name, json string
	// now are control files as they are.
	now    map[string]string
	v1, v2 []string
}

var settingCases = []settingCase{
	{name: "nothing", json: `{}`},
	{
		name: "memory", json: `{"memory":{"limit":1048576,"reservation":524288}}`,
		v1: []string{"memory.limit_in_bytes=1048576", "memory.soft_limit_in_bytes=524288"},
		v2: []string{"memory.max=1048576", "memory.low=524288"},
	},
	{name: "memory zero is unset", json: `{"memory":{"limit":0,"reservation":0,"swap":0}}`},
	{
		name: "memory unlimited", json: `{"memory":{"limit":-1}}`,
		v1: []string{"memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"}, v2: []string{"memory.max=max"},
	},
	{
		name: "swap", json: `{"memory":{"limit":100,"swap":150}}`,
		v1: []string{"memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=150"},
		v2: []string{"memory.max=100", "memory.swap.max=50"},
	},
	{
		name: "no swap", json: `{"memory":{"limit":100,"swap":100}}`,
		v1: []string{"memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=100"},
		v2: []string{"memory.max=100", "memory.swap.max=0"},
	},
	{
		name: "endless swap", json: `{"memory":{"limit":100,"swap":-1}}`,
		v1: []string{"memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=-1"},
		v2: []string{"memory.max=100", "memory.swap.max=max"},
	},
	{
		name: "swap of a limited cgroup", json: `{"memory":{"swap":150}}`, now: map[string]string{"memory.max": "100\n"},
		v1: []string{"memory.memsw.limit_in_bytes=150"}, v2: []string{"memory.swap.max=50"},
	},
	{
		name: "swap of an unlimited cgroup", json: `{"memory":{"swap":150}}`, now: map[string]string{"memory.max": "max"},
		v1: []string{"memory.memsw.limit_in_bytes=150"}, v2: []string{"error linux.resources.memory.swap"},
	},
	{
		name: "swappiness", json: `{"memory":{"swappiness":0}}`,
		v1: []string{"memory.swappiness=0"}, v2: []string{"error linux.resources.memory.swappiness"},
	},
	{
		name: "oom killer off", json: `{"memory":{"disableOOMKiller":true}}`,
		v1: []string{"memory.oom_control=1"}, v2: []string{"error linux.resources.memory.disableOOMKiller"},
	},
	{name: "oom killer on", json: `{"memory":{"disableOOMKiller":false}}`, v1: []string{"memory.oom_control=0"}},
	{
		name: "hierarchy off", json: `{"memory":{"useHierarchy":false}}`,
		v1: []string{"memory.use_hierarchy=0"}, v2: []string{"error linux.resources.memory.useHierarchy"},
	},
	{name: "hierarchy on", json: `{"memory":{"useHierarchy":true}}`, v1: []string{"memory.use_hierarchy=1"}},
	{
		name: "below usage", json: `{"memory":{"limit":100,"checkBeforeUpdate":true}}`,
		now: map[string]string{"memory.usage_in_bytes": "101", "memory.current": "101"},
		v1:  []string{"error linux.resources.memory.limit"}, v2: []string{"error linux.resources.memory.limit"},
	},
	{
		name: "at usage", json: `{"memory":{"limit":100,"checkBeforeUpdate":true}}`,
		now: map[string]string{"memory.usage_in_bytes": "100", "memory.current": "100"},
		v1:  []string{"memory.limit_in_bytes=100"}, v2: []string{"memory.max=100"},
	},
	{
		name: "swap below usage", json: `{"memory":{"swap":100,"checkBeforeUpdate":true}}`,
		now: map[string]string{"memory.memsw.usage_in_bytes": "101", "memory.max": "100"},
		v1:  []string{"error linux.resources.memory.swap"}, v2: []string{"memory.swap.max=0"},
	},
	{name: "shares", json: `{"cpu":{"shares":1024}}`, v1: []string{"cpu.shares=1024"}, v2: []string{"cpu.weight=100"}},
	{name: "shares zero is unset", json: `{"cpu":{"shares":0}}`},
	{name: "too few shares", json: `{"cpu":{"shares":1}}`, v1: []string{"error linux.resources.cpu.shares"}, v2: []string{"cpu.weight=1"}},
	{
		name: "bandwidth", json: `{"cpu":{"quota":50000,"period":100000,"burst":20000}}`,
		v1: []string{"cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000", "cpu.cfs_burst_us=20000"},
		v2: []string{"cpu.max=50000 100000", "cpu.max.burst=20000"},
	},
	{name: "quota alone", json: `{"cpu":{"quota":50000}}`, v1: []string{"cpu.cfs_quota_us=50000"}, v2: []string{"cpu.max=50000"}},
	{name: "quota off", json: `{"cpu":{"quota":-1}}`, v1: []string{"cpu.cfs_quota_us=-1"}, v2: []string{"cpu.max=max"}},
	{
		name: "period alone keeps the quota", json: `{"cpu":{"period":20000}}`, now: map[string]string{"cpu.max": "7000 100000"},
		v1: []string{"cpu.cfs_period_us=20000"}, v2: []string{"cpu.max=7000 20000"},
	},
	{name: "period alone at first", json: `{"cpu":{"period":20000}}`, v1: []string{"cpu.cfs_period_us=20000"}, v2: []string{"cpu.max=max 20000"}},
	{name: "idle takes the weight's place", json: `{"cpu":{"idle":1,"shares":512}}`, v1: []string{"cpu.shares=512", "cpu.idle=1"}, v2: []string{"cpu.idle=1"}},
	{name: "no longer idle", json: `{"cpu":{"idle":0,"shares":1024}}`, v1: []string{"cpu.shares=1024", "cpu.idle=0"}, v2: []string{"cpu.idle=0", "cpu.weight=100"}},
	{
		name: "realtime", json: `{"cpu":{"realtimePeriod":1000000,"realtimeRuntime":950000}}`,
		v1: []string{"cpu.rt_period_us=1000000", "cpu.rt_runtime_us=950000"}, v2: []string{"error linux.resources.cpu.realtime"},
	},
	{
		name: "cpuset", json: `{"cpu":{"cpus":"0-1","mems":"0"}}`,
		v1: []string{"cpuset.cpus=0-1", "cpuset.mems=0"}, v2: []string{"cpuset.cpus=0-1", "cpuset.mems=0"},
	},
	{name: "weight", json: `{"blockIO":{"weight":10}}`, v1: []string{"blkio.weight=10"}, v2: []string{"io.weight=default 1"}},
	{
		name: "weight by bfq", json: `{"blockIO":{"weight":500,"weightDevice":[{"major":8,"minor":0,"weight":300}]}}`,
		now: map[string]string{"blkio.bfq.weight": "100", "io.bfq.weight": "default 100"},
		v1:  []string{"blkio.bfq.weight=500", "blkio.bfq.weight_device=8:0 300"},
		v2:  []string{"io.bfq.weight=default 500", "io.bfq.weight=8:0 300"},
	},
	{
		name: "weight of a device", json: `{"blockIO":{"weightDevice":[{"major":8,"minor":16,"weight":1000}]}}`,
		v1: []string{"blkio.weight_device=8:16 1000"}, v2: []string{"io.weight=8:16 10000"},
	},
	{
		name: "leaf weight", json: `{"blockIO":{"leafWeight":100,"weightDevice":[{"major":8,"minor":16,"leafWeight":20}]}}`,
		v1: []string{"blkio.leaf_weight=100", "blkio.leaf_weight_device=8:16 20"}, v2: []string{"error linux.resources.blockIO.leafWeight"},
	},
	{
		name: "leaf weight of a device", json: `{"blockIO":{"weightDevice":[{"major":8,"minor":16,"leafWeight":20}]}}`,
		v1: []string{"blkio.leaf_weight_device=8:16 20"}, v2: []string{"error linux.resources.blockIO.weightDevice[0].leafWeight"},
	},
	{
		name: "throttles", json: `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}],"throttleWriteBpsDevice":[{"major":8,"minor":0,"rate":2}],
			"throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":3}],"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":0},{"major":9,"minor":1,"rate":4}]}}`,
		v1: []string{
			"blkio.throttle.read_bps_device=8:0 1", "blkio.throttle.write_bps_device=8:0 2", "blkio.throttle.read_iops_device=8:0 3",
			"blkio.throttle.write_iops_device=8:0 0", "blkio.throttle.write_iops_device=9:1 4",
		},
		v2: []string{"io.max=8:0 rbps=1", "io.max=8:0 wbps=2", "io.max=8:0 riops=3", "io.max=8:0 wiops=max", "io.max=9:1 wiops=4"},
	},
	{name: "pids", json: `{"pids":{"limit":7}}`, v1: []string{"pids.max=7"}, v2: []string{"pids.max=7"}},
	{name: "pids zero is a limit", json: `{"pids":{"limit":0}}`, v1: []string{"pids.max=0"}, v2: []string{"pids.max=0"}},
	{name: "pids unlimited", json: `{"pids":{"limit":-1}}`, v1: []string{"pids.max=max"}, v2: []string{"pids.max=max"}},
	{
		name: "huge pages", json: `{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}`,
		v1: []string{"hugetlb.2MB.limit_in_bytes=4194304", "hugetlb.2MB.rsvd.limit_in_bytes=4194304"},
		v2: []string{"hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"},
	},
	{
		name: "rdma", json: `{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"mlx4_0":{"hcaObjects":5}}}`,
		v1: []string{"rdma.max=mlx4_0 hca_object=5", "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"},
		v2: []string{"rdma.max=mlx4_0 hca_object=5", "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"},
	},
	{
		name: "class", json: `{"network":{"classID":1048577}}`,
		v1: []string{"net_cls.classid=1048577"}, v2: []string{"error linux.resources.network.classID"},
	},
	{
		name: "priorities", json: `{"network":{"priorities":[{"name":"eth0","priority":500}]}}`,
		v1: []string{"net_prio.ifpriomap=eth0 500"}, v2: []string{"error linux.resources.network.priorities[0]"},
	},
}

func TestSettings(t *testing.T) {
	for _, tc := range settingCases {
		for v, want := range map[version][]string{v1: tc.v1, v2: tc.v2} {
			t.Run(tc.name+map[version]string{v1: " v1", v2: " v2"}[v], func(t *testing.T) {
				r := resources(t, tc.json)
				if err := Validate(r); err != nil {
					t.Fatal(err)
				}
				b := builder{r: r, version: func(string) version { return v }, current: func(_, file string) string { return tc.now[file] }}
				list, err := b.settings()
				var got []string
				for _, s := range list {
					got = append(got, s.file+"="+s.value)
				}
				if err != nil {
					if len(want) != 1 || !strings.HasPrefix(want[0], "error ") || !strings.Contains(err.Error(), want[0][6:]) {
						t.Errorf("error %v, want %q", err, want)
					}
					return
				}
				if !slices.Equal(got, want) {
					t.Errorf("got  %q\nwant %q", got, want)
				}
				for _, s := range list {
					if !strings.HasPrefix(s.field, "linux.resources.") {
						t.Errorf("%s has the field %q", s.file, s.field)
					}
				}
			})
		}
	}
}

// TestWeight holds the curve to its three points and to rising between them.
func TestWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{0: 0, 1: 1, 2: 1, 1024: 100, 262144: 10000, math.MaxUint64: 10000} {
		if got := Weight(shares); got != want {
			t.Errorf("%d shares are a weight of %d, want %d", shares, got, want)
		}
	}
	last := uint64(1)
	for n := uint64(2); n <= maxShares; n += 7 {
		w := Weight(n)
		if w < last || w < 1 || w > 10000 {
			t.Fatalf("%d shares are a weight of %d after %d", n, w, last)
		}
		last = w
	}
}

func TestIOWeight(t *testing.T) {
	for in, want := range map[uint16]uint64{0: 1, 10: 1, 505: 5000, 1000: 10000} {
		if got := ioWeight(in); got != want {
			t.Errorf("%d becomes %d, want %d", in, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct{ json, field string }{
		{`{"memory":{"limit":-2}}`, "memory.limit"},
		{`{"memory":{"reservation":-5}}`, "memory.reservation"},
		{`{"memory":{"swap":-2}}`, "memory.swap"},
		{`{"memory":{"limit":100,"swap":99}}`, "memory.swap"},
		{`{"memory":{"limit":-1,"swap":99}}`, "memory.swap"},
		{`{"memory":{"swappiness":101}}`, "memory.swappiness"},
		{`{"cpu":{"quota":-2}}`, "cpu.quota"},
		{`{"cpu":{"quota":999}}`, "cpu.quota"},
		{`{"cpu":{"period":999}}`, "cpu.period"},
		{`{"cpu":{"period":1000001}}`, "cpu.period"},
		{`{"cpu":{"quota":5000,"burst":5001}}`, "cpu.burst"},
		{`{"cpu":{"shares":262145}}`, "cpu.shares"},
		{`{"cpu":{"idle":2}}`, "cpu.idle"},
		{`{"cpu":{"idle":-1}}`, "cpu.idle"},
		{`{"cpu":{"realtimeRuntime":-2}}`, "cpu.realtimeRuntime"},
		{`{"cpu":{"realtimeRuntime":2000,"realtimePeriod":1000}}`, "cpu.realtimeRuntime"},
		{`{"cpu":{"cpus":"0-"}}`, "cpu.cpus"},
		{`{"cpu":{"cpus":"3-1"}}`, "cpu.cpus"},
		{`{"cpu":{"mems":"a"}}`, "cpu.mems"},
		{`{"cpu":{"mems":"0,,1"}}`, "cpu.mems"},
		{`{"blockIO":{"weight":9}}`, "blockIO.weight"},
		{`{"blockIO":{"weight":1001}}`, "blockIO.weight"},
		{`{"blockIO":{"leafWeight":5}}`, "blockIO.leafWeight"},
		{`{"blockIO":{"weightDevice":[{"major":8,"minor":0}]}}`, "blockIO.weightDevice[0]"},
		{`{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":2}]}}`, "blockIO.weightDevice[0].weight"},
		{`{"blockIO":{"weightDevice":[{"major":-8,"minor":0,"weight":20}]}}`, "blockIO.weightDevice[0].major"},
		{`{"blockIO":{"throttleReadIOPSDevice":[{"major":8,"minor":-1,"rate":3}]}}`, "blockIO.throttleReadIOPSDevice[0].minor"},
		{`{"hugepageLimits":[{"pageSize":"2MB","limit":1},{"pageSize":"2mb","limit":1}]}`, "hugepageLimits[1].pageSize"},
		{`{"hugepageLimits":[{"pageSize":"2MB","limit":1},{"pageSize":"2MB","limit":2}]}`, "hugepageLimits[1].pageSize"},
		{`{"memory":{"kernelTCP":-2}}`, "memory.kernelTCP"},
		{`{"pids":{"limit":-2}}`, "pids.limit"},
		{`{"unified":{"cgroup.procs":"1"}}`, "unified"},
		{`{"hugepageLimits":[{"pageSize":"MB","limit":1}]}`, "hugepageLimits[0].pageSize"},
		{`{"hugepageLimits":[{"pageSize":"02MB","limit":1}]}`, "hugepageLimits[0].pageSize"},
		{`{"hugepageLimits":[{"pageSize":"../2MB","limit":1}]}`, "hugepageLimits[0].pageSize"},
		{`{"hugepageLimits":[{"pageSize":"2MKB","limit":1}]}`, "hugepageLimits[0].pageSize"},
		{`{"rdma":{"mlx5":{}}}`, "rdma.mlx5"},
		{`{"rdma":{"a b":{"hcaHandles":1}}}`, "rdma"},
		{`{"network":{"priorities":[{"name":"","priority":1}]}}`, "network.priorities[0].name"},
		{`{"network":{"priorities":[{"name":"a b","priority":1}]}}`, "network.priorities[0].name"},
		{`{"unified":{"memory":"1"}}`, "unified"},
		{`{"unified":{"../x.y":"1"}}`, "unified"},
		{`{"unified":{".max":"1"}}`, "unified"},
		{`{"unified":{"memory.high":"1\u0000"}}`, "unified.memory.high"},
		{`{"devices":[{"allow":true,"access":"rwm"},{"allow":true,"type":"x","access":"r"}]}`, "devices[1].type"},
		{`{"devices":[{"allow":true,"access":"q"}]}`, "devices[0].access"},
		{`{"devices":[{"allow":true,"access":""}]}`, "devices[0].access"},
		{`{"devices":[{"allow":true,"type":"c","major":-2,"access":"r"}]}`, "devices[0].major"},
		{`{"devices":[{"allow":true,"type":"c","minor":4294967296,"access":"r"}]}`, "devices[0].minor"},
	} {
		err := Validate(resources(t, tc.json))
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.HasPrefix(err.Error(), "linux.resources."+tc.field+" ") {
			t.Errorf("%s: %v, want the field %s", tc.json, err, tc.field)
		}
	}
	if err := Validate(nil); err != nil {
		t.Error(err)
	}
}

func TestWarnings(t *testing.T) {
	if w := Warnings(resources(t, `{"memory":{"kernel":1,"limit":2}}`)); len(w) != 1 || !strings.Contains(w[0], "memory.kernel") {
		t.Errorf("warnings %q", w)
	}
	if w := Warnings(resources(t, `{"memory":{"kernel":0}}`)); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
}
