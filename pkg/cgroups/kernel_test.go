package cgroups

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
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

// TestKernelHugetlb limits huge pages where either version has the controller.
func TestKernelHugetlb(t *testing.T) {
	testenv.Need(t, testenv.Root)
	if !hostLayout(t).Controllers()["hugetlb"] {
		testenv.Need(t, testenv.Unified)
	}
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

// TestKernelInUse refuses a cgroup that has processes or is frozen.
func TestKernelInUse(t *testing.T) {
	testenv.Need(t, testenv.Root)
	c := testCgroup(t, nil)
	again := func() error {
		_, err := Create(Config{Path: c.Path()})
		return err
	}
	if err := again(); err != nil {
		t.Errorf("an empty one: %v", err)
	}
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := again(); !errors.Is(err, errdefs.ErrInUse) || !strings.Contains(err.Error(), "frozen") {
		t.Errorf("a frozen one: %v", err)
	}
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
	enter(t, c)
	if err := again(); !errors.Is(err, errdefs.ErrInUse) || !strings.Contains(err.Error(), "not empty: 1") {
		t.Errorf("one in use: %v", err)
	}
	if _, err := Create(Config{Path: c.Path(), Reuse: true}); err != nil {
		t.Error(err)
	}
}

// TestKernelBelowUsage asks for less than is used, with and without the check.
func TestKernelBelowUsage(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	c := testCgroup(t, resources(t, `{"memory":{"limit":104857600}}`))
	hog(t, c, 32<<20)
	err := c.Set(resources(t, `{"memory":{"limit":8388608,"checkBeforeUpdate":true}}`))
	if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
	reads(t, c, map[string]string{"memory/memory.limit_in_bytes": "104857600"})
}

// hog starts a shell in the cgroup that keeps so many bytes, and returns when it has them.
func hog(t *testing.T, c *Cgroup, size int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`read go; s=$(head -c %d /dev/zero | tr '\0' x); echo have; read end; echo ${#s}`, size))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	put(t, c, cmd.Process.Pid)
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 16)) // it has them, or has been killed
	return cmd
}

// put moves a process into the cgroup.
func put(t *testing.T, c *Cgroup, pid int) {
	t.Helper()
	for _, dir := range c.dirs() {
		if err := writeFile(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKernelOOM hears of a process that is killed for want of memory, and of the cgroup's end.
func TestKernelOOM(t *testing.T) {
	testenv.Need(t, testenv.Root)
	if !hostLayout(t).Controllers()["memory"] {
		testenv.Need(t, testenv.Unified)
	}
	c := testCgroup(t, resources(t, `{"memory":{"limit":16777216,"swap":16777216}}`))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	events, err := c.NotifyOOM(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hog(t, c, 64<<20)
	if _, ok := <-events; !ok {
		t.Fatal("no event")
	}
	if err := c.KillAll(); err != nil {
		t.Fatal(err)
	}
	for s, err := c.Stats(); s.Memory.OOMKills == 0; s, err = c.Stats() {
		if err != nil || ctx.Err() != nil {
			t.Fatal("no kill is counted", err)
		}
	}
	reap(t, c)
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	for range events { //nolint:revive // until it is closed
	}
	if ctx.Err() != nil {
		t.Error("the end of the cgroup was not told")
	}
}

// reap waits until the cgroup is empty.
func reap(t *testing.T, c *Cgroup) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		pids, err := c.PIDs()
		if err != nil {
			t.Fatal(err)
		}
		if len(pids) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("processes stay: %v", pids)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestKernelNotifyEnds closes the channel when nobody listens any more.
func TestKernelNotifyEnds(t *testing.T) {
	testenv.Need(t, testenv.Root)
	if !hostLayout(t).Controllers()["memory"] {
		testenv.Need(t, testenv.Unified)
	}
	c := testCgroup(t, nil)
	for name, watch := range map[string]func(context.Context) (<-chan struct{}, error){
		"oom": c.NotifyOOM,
		"pressure": func(ctx context.Context) (<-chan struct{}, error) {
			return c.NotifyPressure(ctx, PressureMedium)
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		events, err := watch(ctx)
		cancel()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for range events { //nolint:revive // until it is closed
		}
	}
	if _, err := c.NotifyPressure(t.Context(), "much"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// TestKernelPressure writes more than the limit lets stay in memory.
func TestKernelPressure(t *testing.T) {
	testenv.Need(t, testenv.Root)
	if !hostLayout(t).Controllers()["memory"] {
		testenv.Need(t, testenv.Unified)
	}
	c := testCgroup(t, resources(t, `{"memory":{"limit":16777216}}`))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	events, err := c.NotifyPressure(ctx, PressureLow)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `read go; while dd if=/dev/zero of="$0" bs=1M count=128 2>/dev/null; do :; done`, filepath.Join(t.TempDir(), "f"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.KillAll(); _ = cmd.Wait() }()
	put(t, c, cmd.Process.Pid)
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-events; !ok {
		t.Error("no event")
	}
}

// TestKernelKillAll ends a tree of processes that multiplies, part of which is in a sub-cgroup and
// part frozen by hand.
func TestKernelKillAll(t *testing.T) {
	testenv.Need(t, testenv.Root)
	limits := &specs.LinuxResources{}
	if hostLayout(t).Controllers()["pids"] {
		limits.Pids = &specs.LinuxPids{Limit: ptr(int64(50))}
	}
	for _, frozen := range []bool{false, true} {
		c := testCgroup(t, limits)
		sub, err := c.Sub("deep/er")
		if err != nil {
			t.Fatal(err)
		}
		bomb := exec.Command("sh", "-c", `read go; f() { (sleep 0.01; f) & (sleep 60) & wait; }; while :; do f 2>/dev/null; done`)
		in, err := bomb.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := bomb.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = bomb.Process.Kill(); _ = bomb.Wait() })
		put(t, c, bomb.Process.Pid)
		if limits.Pids != nil { // without the limit it would be a danger
			if _, err := in.Write([]byte("go\n")); err != nil {
				t.Fatal(err)
			}
		}
		other := exec.Command("sleep", "60")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
		put(t, sub, other.Process.Pid)
		if frozen {
			if dir, ok := sub.v1["freezer"]; ok {
				if err := writeFile(filepath.Join(dir, "freezer.state"), "FROZEN"); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Freeze(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.KillAll(); err != nil {
			t.Fatal(err)
		}
		go func() { _ = bomb.Wait() }()
		_ = other.Wait()
		reap(t, c)
		if err := c.Remove(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKernelKillWithoutFile takes the way of kernels without cgroup.kill: version 1 alone.
func TestKernelKillWithoutFile(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	c := testCgroup(t, nil)
	cmd := enter(t, c)
	old := *c
	old.unified = ""
	if err := old.KillAll(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if frozen, err := old.Frozen(); err != nil || frozen {
		t.Errorf("frozen %v, %v", frozen, err)
	}
}

// TestKernelJoin opens sub-cgroups by name, and the one that a process is in.
func TestKernelJoin(t *testing.T) {
	testenv.Need(t, testenv.Root)
	c := testCgroup(t, nil)
	sub, err := c.Sub("s/t")
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, d *Descriptors, want *Cgroup) {
		t.Helper()
		defer d.Close()
		files := d.Tasks
		if d.Dir != nil {
			files = append([]*os.File{d.Dir}, files...)
		}
		for i, dir := range want.dirs() {
			at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", files[i].Fd()))
			if err != nil || strings.TrimSuffix(at, "/tasks") != dir {
				t.Errorf("%s: %s, want %s (%v)", what, at, dir, err)
			}
		}
	}
	d, err := c.OpenSub([]string{"s/t"})
	if err != nil {
		t.Fatal(err)
	}
	same("by name", d, sub)
	cmd := enter(t, sub)
	if d, err = c.OpenLike(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	same("like a process", d, sub)
	if d, err = c.OpenLike(os.Getpid()); !errors.Is(err, errdefs.ErrState) {
		t.Errorf("a stranger: %v, %v", d, err)
	}
	for place, class := range map[string]error{"none": errdefs.ErrNotFound, "../x": errdefs.ErrInvalid, "s/../..": errdefs.ErrInvalid, "frob:s": errdefs.ErrInvalid} {
		if _, err := c.OpenSub([]string{place}); !errors.Is(err, class) {
			t.Errorf("%s: %v, want %v", place, err, class)
		}
	}
	if dir, ok := c.v1["memory"]; ok {
		d, err := c.OpenSub([]string{"memory,pids:s"})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		var at []string
		for _, f := range d.Tasks {
			at = append(at, f.Name())
		}
		if list := strings.Join(at, " "); !strings.Contains(list, dir+"/s/tasks") || !strings.Contains(list, c.v1["cpu"]+"/tasks") {
			t.Errorf("opened %s", list)
		}
	}
	if _, err := c.Sub("../x"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// TestKernelStats has a process use what is counted.
func TestKernelStats(t *testing.T) {
	testenv.Need(t, testenv.Root)
	c := testCgroup(t, nil)
	hog(t, c, 8<<20)
	s, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.CPU.Usage.Total == 0 {
		t.Error("no processor time")
	}
	have := hostLayout(t).Controllers()
	if have["memory"] && (s.Memory.Usage.Usage < 8<<20 || len(s.Memory.Raw) == 0) {
		t.Errorf("memory %+v", s.Memory.Usage)
	}
	if have["pids"] && s.Pids.Current == 0 {
		t.Errorf("pids %+v", s.Pids)
	}
	if have["cpuset"] && (len(s.CPUSet.CPUs) == 0 || len(s.CPUSet.Mems) == 0) {
		t.Errorf("cpuset %+v", s.CPUSet)
	}
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
