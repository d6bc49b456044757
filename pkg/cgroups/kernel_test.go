package cgroups

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/errdefs"
)

// reads compares control files of a real cgroup: "controller/file", by version 1 names.
func reads(t *testing.T, c *Cgroup, want map[string]string) {
	t.Helper()
	for name, text := range want {
		controller, file, _ := strings.Cut(name, "/")
		if got := readShort(filepath.Join(c.dirOf(controller), file)); got != text {
			t.Errorf("%s is %q, want %q", name, got, text)
		}
	}
}

func mustSet(t *testing.T, c *Cgroup, text string) {
	t.Helper()
	if err := c.Set(resources(t, text)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// TestKernelUpdates raises and lowers values that limit each other, in steps that no fixed order of
// writing gets through.
func TestKernelUpdates(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	c := testCgroup(t, resources(t, `{"memory":{"limit":104857600,"swap":209715200},"cpu":{"quota":20000,"period":100000,"burst":10000}}`))
	for _, step := range []struct {
		json string
		want map[string]string
	}{
		{`{"memory":{"limit":419430400,"swap":524288000}}`, map[string]string{
			"memory/memory.limit_in_bytes": "419430400", "memory/memory.memsw.limit_in_bytes": "524288000",
		}},
		{`{"memory":{"limit":52428800,"swap":52428800}}`, map[string]string{
			"memory/memory.limit_in_bytes": "52428800", "memory/memory.memsw.limit_in_bytes": "52428800",
		}},
		{`{"memory":{"limit":-1}}`, map[string]string{
			"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.memsw.limit_in_bytes": "9223372036854771712",
		}},
		{`{"memory":{"limit":52428800,"swap":-1,"reservation":26214400,"swappiness":0}}`, map[string]string{
			"memory/memory.limit_in_bytes": "52428800", "memory/memory.memsw.limit_in_bytes": "9223372036854771712",
			"memory/memory.soft_limit_in_bytes": "26214400", "memory/memory.swappiness": "0",
		}},
		{`{"memory":{"disableOOMKiller":true,"useHierarchy":true}}`, nil},
		{`{"memory":{"disableOOMKiller":false}}`, nil},
		{`{"cpu":{"quota":500000,"period":1000000,"burst":400000}}`, map[string]string{
			"cpu/cpu.cfs_quota_us": "500000", "cpu/cpu.cfs_period_us": "1000000", "cpu/cpu.cfs_burst_us": "400000",
		}},
		{`{"cpu":{"quota":5000,"period":10000,"burst":1000}}`, map[string]string{
			"cpu/cpu.cfs_quota_us": "5000", "cpu/cpu.cfs_period_us": "10000", "cpu/cpu.cfs_burst_us": "1000",
		}},
		{`{"cpu":{"shares":2000,"idle":1}}`, map[string]string{"cpu/cpu.idle": "1"}},
		{`{"cpu":{"shares":3000,"idle":0}}`, map[string]string{"cpu/cpu.idle": "0", "cpu/cpu.shares": "3000"}},
		{`{"cpu":{"cpus":"0","mems":"0"}}`, map[string]string{"cpuset/cpuset.cpus": "0", "cpuset/cpuset.mems": "0"}},
		{`{"cpu":{"realtimePeriod":500000,"realtimeRuntime":100000}}`, map[string]string{"cpu/cpu.rt_period_us": "500000", "cpu/cpu.rt_runtime_us": "100000"}},
		{`{"cpu":{"realtimePeriod":50000,"realtimeRuntime":10000}}`, map[string]string{"cpu/cpu.rt_period_us": "50000", "cpu/cpu.rt_runtime_us": "10000"}},
		{`{"pids":{"limit":0}}`, map[string]string{"pids/pids.max": "0"}},
		{`{"pids":{"limit":-1}}`, map[string]string{"pids/pids.max": "max"}},
	} {
		mustSet(t, c, step.json)
		reads(t, c, step.want)
	}
}

// TestKernelRefuses has the kernel refuse a value; the error names the field, and what was written
// before it is put back.
func TestKernelRefuses(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	c := testCgroup(t, resources(t, `{"memory":{"limit":104857600},"cpu":{"shares":100}}`))
	err := c.Set(resources(t, `{"memory":{"limit":52428800},"cpu":{"shares":200,"cpus":"4000"}}`))
	if err == nil || !strings.HasPrefix(err.Error(), `linux.resources.cpu.cpus "4000": cpuset.cpus`) {
		t.Errorf("got %v", err)
	}
	reads(t, c, map[string]string{"memory/memory.limit_in_bytes": "104857600", "cpu/cpu.shares": "100"})
	// No disk here is served by a scheduler with weights.
	if !exists(filepath.Join(c.dirOf("blkio"), "blkio.bfq.weight")) && !exists(filepath.Join(c.dirOf("blkio"), "blkio.weight")) {
		err := c.Set(resources(t, `{"blockIO":{"weight":100}}`))
		if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "linux.resources.blockIO.weight") {
			t.Errorf("got %v", err)
		}
	}
}

// TestKernelThrottles limits a real disk.
func TestKernelThrottles(t *testing.T) {
	testenv.Need(t, testenv.Root)
	if len(hostLayout(t).V1) == 0 {
		testenv.Need(t, testenv.Unified)
	}
	devices, _ := filepath.Glob("/sys/block/*/dev")
	if len(devices) == 0 {
		t.Skip("this machine has no disk")
	}
	dev := readShort(devices[0])
	major, minor, err := parseDevice(dev)
	if err != nil {
		t.Fatal(err)
	}
	c := testCgroup(t, resources(t, fmt.Sprintf(`{"blockIO":{"throttleReadBpsDevice":[{"major":%d,"minor":%d,"rate":1048576}],
		"throttleWriteIOPSDevice":[{"major":%d,"minor":%d,"rate":50}]}}`, major, minor, major, minor)))
	if c.versionOf("blkio") == v1 {
		reads(t, c, map[string]string{"blkio/blkio.throttle.read_bps_device": dev + " 1048576", "blkio/blkio.throttle.write_iops_device": dev + " 50"})
		return
	}
	reads(t, c, map[string]string{"blkio/io.max": dev + " rbps=1048576 wbps=max riops=max wiops=50"})
}

// keepPassedDown takes back which controllers a test passes down from the top: one that is passed down on
// a mixed host cannot be mounted as version 1 any more, which other programs may want.
func keepPassedDown(t *testing.T) {
	t.Helper()
	file := filepath.Join(hostLayout(t).Unified, "cgroup.subtree_control")
	before := words(file)
	t.Cleanup(func() {
		for name := range words(file) {
			if !before[name] {
				if err := os.WriteFile(file, []byte("-"+name), 0); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// TestKernelHugetlb limits huge pages where either version has the controller.
func TestKernelHugetlb(t *testing.T) {
	testenv.Need(t, testenv.Root)
	if !hostLayout(t).Controllers()["hugetlb"] {
		testenv.Need(t, testenv.Unified)
	}
	keepPassedDown(t)
	c := testCgroup(t, resources(t, `{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}`))
	file := "max"
	if c.versionOf("hugetlb") == v1 {
		file = "limit_in_bytes"
	}
	reads(t, c, map[string]string{"hugetlb/hugetlb.2MB." + file: "4194304", "hugetlb/hugetlb.2MB.rsvd." + file: "4194304"})
	err := c.Set(resources(t, `{"hugepageLimits":[{"pageSize":"3MB","limit":1}]}`))
	if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "linux.resources.hugepageLimits[0].limit") {
		t.Errorf("got %v", err)
	}
	s, err := c.Stats()
	if _, ok := s.Hugetlb["2MB"]; err != nil || !ok {
		t.Errorf("huge pages %v, %v", s.Hugetlb, err)
	}
}

func hostLayout(t *testing.T) *Layout {
	t.Helper()
	l, err := ReadLayout()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestKernelUnified writes a file of version 2 that this package does not know.
func TestKernelUnified(t *testing.T) {
	testenv.Need(t, testenv.Root)
	if hostLayout(t).Unified == "" {
		testenv.Need(t, testenv.Bare)
	}
	c := testCgroup(t, resources(t, `{"unified":{"cgroup.max.descendants":"5"}}`))
	if got := readShort(filepath.Join(c.unified, "cgroup.max.descendants")); got != "5" {
		t.Errorf("got %q", got)
	}
	err := c.Set(resources(t, `{"unified":{"frob.max":"5"}}`))
	if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), `"frob"`) {
		t.Errorf("got %v", err)
	}
	if err := c.Set(resources(t, `{"unified":{"cgroup.max.descendants":"five"}}`)); err == nil || !strings.Contains(err.Error(), "linux.resources.unified.cgroup.max.descendants") {
		t.Errorf("got %v", err)
	}
}

// TestKernelDeviceRules has version 1 keep the rules in their order.
func TestKernelDeviceRules(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	c := testCgroup(t, resources(t, `{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":7,"minor":3,"access":"rw"},
		{"allow":true,"type":"b","major":8,"access":"r"},{"allow":false,"type":"c","major":7,"minor":3,"access":"w"}]}`))
	b, err := os.ReadFile(filepath.Join(c.dirOf("devices"), "devices.list"))
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{"c 7:3 r\n": true, "b 8:* rm\n": false, "c 1:3 rwm\n": true, "a *:* rwm\n": false, "c 10:200 rwm\n": true} {
		if bytes.Contains(b, []byte(line)) != want {
			t.Errorf("%q is there: %v\n%s", line, !want, b)
		}
	}
}
