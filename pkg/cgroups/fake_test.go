package cgroups

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// fakeHost makes directories and files that look like hierarchies. files are named by their path
// below the top; a cgroup whose files are to be written must have them. The kernel's part (making
// files, refusing values) is not played.
func fakeHost(t *testing.T, unified bool, controllers []string, files map[string]string) *Layout {
	t.Helper()
	top := t.TempDir()
	l := &Layout{}
	if unified {
		l.Unified = filepath.Join(top, "unified")
		mkdir(t, l.Unified)
	}
	for _, name := range controllers {
		dir := filepath.Join(top, name)
		mkdir(t, dir)
		l.V1 = append(l.V1, Hierarchy{Dir: dir, Name: name, Controllers: []string{name}})
	}
	for name, text := range files {
		p := filepath.Join(top, name)
		mkdir(t, filepath.Dir(p))
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// holds compares a fake's files with what they should have become.
func holds(t *testing.T, c *Cgroup, want map[string]string) {
	t.Helper()
	top := filepath.Dir(c.layout.Unified)
	if c.layout.Unified == "" {
		top = filepath.Dir(c.layout.V1[0].Dir)
	}
	for name, text := range want {
		b, err := os.ReadFile(filepath.Join(top, name))
		if err != nil || string(b) != text {
			t.Errorf("%s: %q (%v), want %q", name, b, err, text)
		}
	}
}

// TestFakeUnified makes a cgroup on version 2: controllers are passed down at each level, limits and
// unknown files written.
func TestFakeUnified(t *testing.T) {
	l := fakeHost(t, true, nil, map[string]string{
		"unified/cgroup.controllers": "cpu memory pids\n", "unified/cgroup.subtree_control": "cpu\n",
		"unified/a/cgroup.controllers": "memory\n", "unified/a/cgroup.subtree_control": "",
		"unified/a/b/cgroup.controllers": "cpu memory pids\n", "unified/a/b/memory.max": "max\n", "unified/a/b/memory.swap.max": "max\n",
		"unified/a/b/memory.high": "max\n", "unified/a/b/new.thing": "", "unified/a/b/cgroup.procs": "",
	})
	c := locateIn(l, "/a/b")
	_, err := c.create(Config{Resources: resources(t, `{"memory":{"limit":1000,"swap":1500},"unified":{"memory.high":"900","new.thing":"one\ntwo"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, c, map[string]string{
		"unified/cgroup.subtree_control": "+pids", "unified/a/cgroup.subtree_control": "+memory", "unified/a/b/memory.max": "1000",
		"unified/a/b/memory.swap.max": "500", "unified/a/b/memory.high": "900", "unified/a/b/new.thing": "two",
	})
}

// TestFakeHybrid uses the controller that version 2 has free, and passes down no other.
func TestFakeHybrid(t *testing.T) {
	l := fakeHost(t, true, []string{"memory", "pids"}, map[string]string{
		"unified/cgroup.controllers": "hugetlb misc\n", "unified/cgroup.subtree_control": "", "unified/c/cgroup.controllers": "hugetlb\n",
		"unified/c/hugetlb.2MB.max": "max", "unified/c/hugetlb.2MB.rsvd.max": "max", "memory/c/memory.limit_in_bytes": "0", "pids/c/pids.max": "max",
	})
	c := locateIn(l, "/c")
	_, err := c.create(Config{Resources: resources(t, `{"memory":{"limit":5},"pids":{"limit":0},"hugepageLimits":[{"pageSize":"2MB","limit":9}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, c, map[string]string{
		"unified/cgroup.subtree_control": "+hugetlb", "unified/c/hugetlb.2MB.max": "9", "unified/c/hugetlb.2MB.rsvd.max": "9",
		"memory/c/memory.limit_in_bytes": "5", "pids/c/pids.max": "0",
	})
	if have := l.Controllers(); !have["hugetlb"] || !have["memory"] || have["cpu"] {
		t.Errorf("controllers %v", have)
	}
}

// TestFakeMissing names what the host does not have, and leaves nothing behind.
func TestFakeMissing(t *testing.T) {
	for _, tc := range []struct{ name, json, want string }{
		{"controller", `{"cpu":{"shares":100}}`, `"cpu"`},
		{"unified controller", `{"unified":{"io.max":"8:0 rbps=1"}}`, `linux.resources.unified.io.max: the cgroup controller "io"`},
		{"file", `{"unified":{"memory.frob":"1"}}`, "linux.resources.unified.memory.frob: this kernel has no memory.frob"},
		{"v1 only", `{"network":{"classID":1}}`, `"net_cls"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := fakeHost(t, true, nil, map[string]string{"unified/cgroup.controllers": "memory\n", "unified/cgroup.subtree_control": "memory\n"})
			c := locateIn(l, "/x")
			// The kernel would give the new directory its list of controllers.
			mkdir(t, c.unified)
			if err := os.WriteFile(filepath.Join(c.unified, "cgroup.controllers"), []byte("memory\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := c.create(Config{Resources: resources(t, tc.json)})
			if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// TestFakeInUse refuses a cgroup that has processes or is frozen.
func TestFakeInUse(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"processes":       {map[string]string{"freezer/c/cgroup.procs": "12\n", "freezer/c/freezer.state": "THAWED\n"}, "not empty"},
		"processes below": {map[string]string{"freezer/c/cgroup.procs": "", "freezer/c/d/cgroup.procs": "12\n13\n"}, "not empty: 2"},
		"frozen":          {map[string]string{"freezer/c/cgroup.procs": "", "freezer/c/freezer.state": "FROZEN\n"}, "frozen"},
		"freezing":        {map[string]string{"freezer/c/cgroup.procs": "", "freezer/c/freezer.state": "FREEZING\n"}, "frozen"},
	} {
		t.Run(name, func(t *testing.T) {
			l := fakeHost(t, false, []string{"freezer"}, tc.files)
			_, err := locateIn(l, "/c").create(Config{})
			if !errors.Is(err, errdefs.ErrInUse) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if _, err := locateIn(l, "/c").create(Config{Reuse: true}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFakeUndo puts old values back when a later one cannot be set.
func TestFakeUndo(t *testing.T) {
	l := fakeHost(t, false, []string{"memory", "pids"}, map[string]string{
		"memory/c/memory.limit_in_bytes": "77\n", "pids/c/cgroup.procs": "",
	})
	c := locateIn(l, "/c")
	err := c.Set(resources(t, `{"memory":{"limit":5},"pids":{"limit":3}}`))
	if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "linux.resources.pids.limit") {
		t.Errorf("got %v", err)
	}
	holds(t, c, map[string]string{"memory/c/memory.limit_in_bytes": "77"})
}

func TestChownCgroup(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"cgroup.procs", "memory.max"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// One's own id is allowed to everybody; a missing file and one with a slash are passed over.
	if err := chownCgroup(dir, []string{"cgroup.procs", "cgroup.threads", "../x"}, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	if err := chownCgroup(filepath.Join(dir, "gone"), []string{"cgroup.procs"}, os.Getuid()); err != nil {
		t.Error(err)
	}
}

func TestPlace(t *testing.T) {
	for _, tc := range []struct {
		spec    string
		systemd bool
		want    Config
		bad     string
	}{
		{spec: "", want: Config{Path: "/id"}},
		{spec: "/a/b", want: Config{Path: "/a/b"}},
		{spec: "a//b/", want: Config{Path: "/a/b"}},
		{spec: "/", bad: "root"},
		{spec: "/a/../../b", bad: ".."},
		{spec: "a\x00", bad: "NUL"},
		{systemd: true, want: Config{Systemd: true, Scope: "manager-id.scope"}},
		{spec: "machine.slice:libpod:x", systemd: true, want: Config{Systemd: true, Slice: "machine.slice", Scope: "libpod-x.scope"}},
		{spec: "::", systemd: true, want: Config{Systemd: true, Scope: "id.scope"}},
		{spec: ":p:", systemd: true, want: Config{Systemd: true, Scope: "p-id.scope"}},
		{spec: "a.slice:p:own.scope", systemd: true, want: Config{Systemd: true, Slice: "a.slice", Scope: "own.scope"}},
		{spec: "/a/b", systemd: true, bad: "slice:prefix:name"},
		{spec: "a:b:c", systemd: true, bad: "slice"},
		{spec: "a.slice:b:c/d", systemd: true, bad: "unit"},
	} {
		got, err := Place(tc.spec, "id", tc.systemd)
		if tc.bad != "" {
			if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), tc.bad) || !strings.HasPrefix(err.Error(), "linux.cgroupsPath") {
				t.Errorf("%q: %v, want %s", tc.spec, err, tc.bad)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%q: %+v, %v", tc.spec, got, err)
		}
	}
}
