package cgroups

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// TestUnifiedLimits sets every controller of version 2 and reads it back from the kernel.
func TestUnifiedLimits(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Unified)
	c := testCgroup(t, resources(t, `{"memory":{"limit":104857600,"swap":209715200,"reservation":52428800},
		"cpu":{"shares":1024,"quota":50000,"period":100000,"burst":10000,"cpus":"0","mems":"0"},"pids":{"limit":17},
		"unified":{"memory.high":"94371840","cgroup.max.depth":"7"}}`))
	reads(t, c, map[string]string{
		"memory/memory.max": "104857600", "memory/memory.swap.max": "104857600", "memory/memory.low": "52428800", "memory/memory.high": "94371840",
		"cpu/cpu.weight": "100", "cpu/cpu.max": "50000 100000", "cpu/cpu.max.burst": "10000", "cpuset/cpuset.cpus": "0", "cpuset/cpuset.mems": "0",
		"pids/pids.max": "17", "pids/cgroup.max.depth": "7",
	})
	for _, step := range []struct {
		json string
		want map[string]string
	}{
		{`{"cpu":{"period":50000}}`, map[string]string{"cpu/cpu.max": "50000 50000"}},
		{`{"cpu":{"quota":5000,"burst":1000}}`, map[string]string{"cpu/cpu.max": "5000 50000", "cpu/cpu.max.burst": "1000"}},
		{`{"cpu":{"quota":40000,"burst":40000}}`, map[string]string{"cpu/cpu.max": "40000 50000", "cpu/cpu.max.burst": "40000"}},
		{`{"cpu":{"quota":-1}}`, map[string]string{"cpu/cpu.max": "max 50000"}},
		{`{"memory":{"swap":104857600}}`, map[string]string{"memory/memory.swap.max": "0"}},
		{`{"memory":{"limit":-1,"swap":-1}}`, map[string]string{"memory/memory.max": "max", "memory/memory.swap.max": "max"}},
		{`{"pids":{"limit":0}}`, map[string]string{"pids/pids.max": "0"}},
		{`{"pids":{"limit":-1}}`, map[string]string{"pids/pids.max": "max"}},
		{`{"cpu":{"idle":1,"shares":5000}}`, map[string]string{"cpu/cpu.idle": "1"}},
		{`{"cpu":{"idle":0,"shares":262144}}`, map[string]string{"cpu/cpu.idle": "0", "cpu/cpu.weight": "10000"}},
	} {
		mustSet(t, c, step.json)
		reads(t, c, step.want)
	}
}

// TestUnifiedDelegation gives the cgroup, and only the files that are meant to be given, to a user.
func TestUnifiedDelegation(t *testing.T) {
	testenv.Need(t, testenv.Root)
	if hostLayout(t).Mode() != Unified {
		testenv.Need(t, testenv.Bare)
	}
	owner := 1234
	cfg := Config{Path: "/manager-test-owned", Owner: &owner}
	c, err := Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Remove() })
	for name, want := range map[string]int{
		".": owner, "cgroup.procs": owner, "cgroup.subtree_control": owner, "cgroup.threads": owner, "cgroup.controllers": 0, "cgroup.freeze": 0, "cgroup.max.depth": 0,
	} {
		st, err := os.Stat(filepath.Join(c.unified, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := int(st.Sys().(*syscall.Stat_t).Uid); got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
		if gid := st.Sys().(*syscall.Stat_t).Gid; gid != 0 {
			t.Errorf("%s belongs to the group %d", name, gid)
		}
	}
}

// TestDelegationBesideV1 leaves a hybrid host's files alone.
func TestDelegationBesideV1(t *testing.T) {
	l := fakeHost(t, true, []string{"memory"}, map[string]string{"unified/c/cgroup.procs": ""})
	c := locateIn(l, "/c")
	if err := c.Delegate(os.Getuid() + 1); err != nil { // a chown would fail for users, and show for root
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(c.unified, "cgroup.procs"))
	if err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != os.Getuid() {
		t.Errorf("the owner was changed: %v", err)
	}
}
