package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/manager-project/manager/internal/testenv"
)

func TestKill(t *testing.T) {
	o := newRuntime(t)
	for _, word := range []string{"INT", "SIGINT", "2", "int", "sigint"} {
		create(t, o, "c", []string{"sh", "-c", `trap "echo >/tmp/hit; exit" INT; echo >/tmp/ready; while :; do sleep 0.05; done`})
		o.Must(t, "start", "c")
		appears(t, filepath.Join(o.Rootfs, "tmp/ready"))
		o.Must(t, "kill", "c", word)
		appears(t, filepath.Join(o.Rootfs, "tmp/hit"))
		o.Must(t, "delete", "--force", "c")
	}
	start(t, o, "c")
	for _, word := range []string{"0", "65", "-1", "NOTHING", "SIG", "SIGSIGINT", "RTMIN+31", "1.5"} {
		o.Refused(t, 1, "unknown signal", "kill", "--", "c", word)
	}
}

// TestKillRealTime needs a program that is not the first of a pid namespace, which hears no signal that
// it does not handle.
func TestKillRealTime(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c", func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[1:] })
	o.Must(t, "kill", "c", "RTMIN+1")
	o.Await(t, "c", "stopped")
}

// appears waits for a file and removes it.
func appears(t *testing.T, path string) {
	t.Helper()
	wait(t, path+" does not appear", func() bool { return os.Remove(path) == nil })
}

// TestKillWithoutPIDNamespace kills a container whose processes no namespace's end ends.
func TestKillWithoutPIDNamespace(t *testing.T) {
	o := newRuntime(t)
	shared := func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[1:] }
	create(t, o, "c", []string{"sh", "-c", "sleep 998 & sleep 997 & exec sleep 996"}, shared)
	o.Must(t, "start", "c")
	wait(t, "three processes", func() bool { return len(processes(t, o)) == 3 })
	o.Must(t, "kill", "c", "KILL")
	wait(t, "no process is left", func() bool { return len(processes(t, o)) == 0 })
	o.Await(t, "c", "stopped") // one that is ending has no arguments any more
	o.Must(t, "delete", "c")
	create(t, o, "c", []string{"sh", "-c", "sleep 998 & exit 0"}, shared)
	o.Must(t, "start", "c")
	o.Await(t, "c", "stopped")
	o.Must(t, "delete", "c") // the sleeper as well
}

func TestPause(t *testing.T) {
	o := newRuntime(t)
	create(t, o, "c", sleeper)
	o.Must(t, "start", "c")
	o.Refused(t, 1, "container not paused", "resume", "c")
	o.Must(t, "pause", "c")
	if s := o.State(t, "c"); s["status"] != "paused" {
		t.Errorf("status %v", s["status"])
	}
	o.Refused(t, 1, "already paused", "pause", "c")
	o.Refused(t, 1, "not stopped: paused", "delete", "c")
	o.Must(t, "resume", "c")
	o.Must(t, "pause", "c")
	o.Must(t, "kill", "c", "KILL") // also a paused one dies
	o.Await(t, "c", "stopped")
	o.Refused(t, 1, "container not running", "pause", "c")
	o.Must(t, "delete", "c")
	start(t, o, "c")
	o.Must(t, "pause", "c")
	o.Must(t, "delete", "--force", "c")
}

func TestPS(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	table := lines(o.Must(t, "ps", "c"))
	if len(table) != 2 || !strings.Contains(table[0], "PID") || !strings.HasSuffix(table[1], "sleep 1000") {
		t.Errorf("table %q", table)
	}
	if table := lines(o.Must(t, "ps", "c", "-o", "pid,comm")); len(table) != 2 || !strings.HasSuffix(table[1], "sleep") {
		t.Errorf("with options: %q", table)
	}
	var pids []int
	if err := json.Unmarshal([]byte(o.Must(t, "ps", "--format", "json", "c")), &pids); err != nil || len(pids) != 1 {
		t.Errorf("pids %v, %v", pids, err)
	}
	o.Refused(t, 1, "no field PID", "ps", "c", "-o", "comm=X")
}

// limit reads a file of the container's cgroup of version 1, "" without it.
func limit(o *testenv.OCI, controller, file string) string {
	b, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", controller+o.Cgroup, "c", file))
	return strings.TrimSpace(string(b))
}

func TestUpdate(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	if limit(o, "pids", "pids.max") == "" || limit(o, "memory", "memory.limit_in_bytes") == "" {
		t.Skip("no version 1 controllers")
	}
	o.Must(t, "update", "--pids-limit", "20", "--memory=50m", "--cpu-share", "512", "c")
	for file, want := range map[string]string{"pids/pids.max": "20", "memory/memory.limit_in_bytes": "52428800", "cpu/cpu.shares": "512"} {
		controller, name, _ := strings.Cut(file, "/")
		if got := limit(o, controller, name); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	text := `{"pids": {"limit": 30}, "unknown": 1}`
	if r := o.Do(t, testenv.OCICommand{Args: []string{"update", "--resources=-", "c"}, Stdin: &text}); r.Code != 0 || limit(o, "pids", "pids.max") != "30" {
		t.Errorf("from standard input: %+v, pids.max %s", r, limit(o, "pids", "pids.max"))
	}
	if got := limit(o, "memory", "memory.limit_in_bytes"); got != "52428800" {
		t.Errorf("what was not named changed: %s", got)
	}
	file := filepath.Join(o.Dir, "resources")
	if err := os.WriteFile(file, []byte(`{"pids": {"limit": -1}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Must(t, "update", "-r", file, "c")
	if got := limit(o, "pids", "pids.max"); got != "max" {
		t.Errorf("without limit: %s", got)
	}
	o.Refused(t, 1, "want a number of bytes", "update", "--memory", "1x", "c")
	o.Refused(t, 1, "invalid value", "update", "--pids-limit", "many", "c")
	if r := o.Run(t, "update", "--kernel-memory", "1m", "--kernel-memory-tcp", "1m", "--pids-limit", "40", "c"); r.Code != 0 ||
		strings.Count(r.Stderr, "kernels have no such limit any more") != 2 || limit(o, "pids", "pids.max") != "40" {
		t.Errorf("kernel memory is ignored with a warning: %+v", r)
	}
	o.Refused(t, 1, "want a number of bytes", "update", "--kernel-memory", "1x", "c")
	if _, err := os.Stat("/sys/fs/resctrl/schemata"); err != nil {
		o.Refused(t, 1, "mount -t resctrl", "update", "--l3-cache-schema", "L3:0=f", "c")
		o.Refused(t, 1, "no resctrl file system is mounted", "update", "--mem-bw-schema", "MB:0=20", "c")
	}
	o.Must(t, "kill", "c", "9")
	o.Await(t, "c", "stopped")
	o.Refused(t, 1, "container not running", "update", "--pids-limit", "5", "c")
}

func TestEvents(t *testing.T) {
	o := newRuntime(t)
	limit := int64(25)
	start(t, o, "c", func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
	})
	var e struct {
		Type, ID string
		Data     struct {
			Pids struct{ Current, Limit int }
			CPU  struct{ Usage struct{ Total int } }

			IntelRdt          map[string]any `json:"intel_rdt"`
			NetworkInterfaces []struct {
				Name             string
				RxBytes, TxBytes *int
			} `json:"network_interfaces"`
		}
	}
	if err := json.Unmarshal([]byte(o.Must(t, "events", "--stats", "c")), &e); err != nil {
		t.Fatal(err)
	}
	if e.Type != "stats" || e.ID != "c" || e.Data.Pids.Current != 1 || e.Data.Pids.Limit != 25 || e.Data.CPU.Usage.Total == 0 {
		t.Errorf("%+v", e)
	}
	if e.Data.IntelRdt == nil || len(e.Data.IntelRdt) != 0 {
		t.Errorf("without a class of service: %v", e.Data.IntelRdt)
	}
	if n := e.Data.NetworkInterfaces; len(n) == 0 || n[0].Name != "lo" || n[0].RxBytes == nil || n[0].TxBytes == nil {
		t.Errorf("interfaces %+v", n)
	}
	o.Refused(t, 1, "must be greater than 0", "events", "--interval", "0s", "c")
	done := make(chan testenv.Result)
	go func() { done <- o.Run(t, "events", "--interval", "50ms", "c") }()
	wait(t, "the program of events", func() bool {
		found, _ := testenv.Processes(testenv.Marks{Dirs: []string{o.Root}})
		for _, p := range found {
			if strings.Contains(p.Command, "events") {
				return true
			}
		}
		return false
	})
	o.Must(t, "exec", "c", "sleep", "0.3")
	o.Must(t, "delete", "--force", "c")
	if r := <-done; r.Code != 0 || !strings.HasPrefix(r.Stdout, `{"type":"stats","id":"c",`) {
		t.Errorf("%+v", r)
	}
}

func TestCgroupDisabled(t *testing.T) {
	o := newRuntime(t, "--cgroup-manager", "disabled")
	start(t, o, "c")
	if dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + o.Cgroup + "/c"); len(dirs) != 0 {
		t.Errorf("cgroups %q", dirs)
	}
	o.Refused(t, 1, "has no cgroup", "pause", "c")
	o.Must(t, "exec", "c", "true")
	o.Must(t, "kill", "c", "KILL")
	o.Await(t, "c", "stopped")
	o.Must(t, "delete", "c")
}

func TestCgroupInUse(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	same := func(s *specs.Spec) { s.Linux.CgroupsPath = o.Cgroup + "/c" }
	bundle := o.Bundle(t, "d", sleeper, same)
	o.Refused(t, 1, "container's cgroup is not empty", "create", "--bundle", bundle, "d")
	if s := o.State(t, "c"); s["status"] != "running" {
		t.Errorf("the other container is %v", s["status"])
	}
}

func TestFeatures(t *testing.T) {
	o := newRuntime(t)
	out := o.Must(t, "features")
	var f features.Features
	if err := json.Unmarshal([]byte(out), &f); err != nil {
		t.Fatal(err)
	}
	if f.OCIVersionMin != "1.0.0" || f.OCIVersionMax != specVersion || len(f.Hooks) != 6 || len(f.MountOptions) < 40 || len(f.Linux.Namespaces) < 7 {
		t.Errorf("features %s", out)
	}
	// What is said to work is compiled, and what is said not to is refused.
	for name, said := range map[string]bool{"intelRdt": *f.Linux.IntelRdt.Enabled, "netDevices": *f.Linux.NetDevices.Enabled} {
		refused := o.Run(t, "run", "--bundle", o.Bundle(t, "c", []string{"true"}, func(s *specs.Spec) {
			if name == "intelRdt" {
				s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "nothing-of-this-name", L3CacheSchema: "L3:0=1"}
			} else {
				s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"lo": {Name: "lo"}}
			}
		}), "c")
		if !said && refused.Code == 0 {
			t.Errorf("%s works, but is not among the features", name)
		}
	}
	for _, option := range []string{"rro", "rbind", "tmpcopyup", "idmap", "nosymfollow", "runbindable", "strictatime"} {
		if !strings.Contains(out, strconv.Quote(option)) {
			t.Errorf("no mount option %s", option)
		}
	}
}

func TestSpec(t *testing.T) {
	o := newRuntime(t)
	dir := filepath.Join(o.Dir, "new")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o.Must(t, "spec", "--bundle", dir)
	o.Refused(t, 1, "exists", "spec", "-b", dir)
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	spec := &specs.Spec{}
	if err := json.Unmarshal(b, spec); err != nil {
		t.Fatal(err)
	}
	// It runs as it is, but for the terminal and the cgroup that marks the test.
	spec.Process.Terminal, spec.Linux.CgroupsPath, spec.Process.Args = false, o.Cgroup+"/s", []string{"echo", "hello"}
	if err := os.Symlink(o.Rootfs, filepath.Join(dir, "rootfs")); err != nil {
		t.Fatal(err)
	}
	b, _ = json.Marshal(spec)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := o.Do(t, testenv.OCICommand{Args: []string{"run", "s"}, Dir: dir}); r.Code != 0 || r.Stdout != "hello\n" {
		t.Errorf("%+v", r)
	}
}

func TestVersion(t *testing.T) {
	o := newRuntime(t)
	for _, flag := range []string{"--version", "-v"} {
		out := lines(o.Must(t, flag))
		if len(out) < 3 || !strings.HasPrefix(out[0], "runc version ") || !strings.HasPrefix(out[1], "commit: ") || out[2] != "spec: "+specVersion {
			t.Errorf("%s: %q", flag, out)
		}
	}
}

// TestAnnotations shows them in the state.
func TestAnnotations(t *testing.T) {
	o := newRuntime(t)
	create(t, o, "c", sleeper, func(s *specs.Spec) { s.Annotations = map[string]string{"a.b": "c"} })
	if s := o.State(t, "c"); fmt.Sprint(s["annotations"]) != "map[a.b:c]" {
		t.Errorf("%v", s)
	}
}
