package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// attempt is a command that is made to fail, or killed, at each of its points.
type attempt struct {
	name string
	// setup makes what the command needs.
	setup func(t *testing.T, o *testenv.OCI)
	args  func(t *testing.T, o *testenv.OCI) []string
	// before and after are the status before the command and after its failure; "" means no container.
	after string
}

func bundleArgs(t *testing.T, o *testenv.OCI, words ...string) []string {
	return append(words, "--bundle", o.Bundle(t, "c", sleeper), "--pid-file", filepath.Join(o.Dir, "pid"), "c")
}

var attempts = []attempt{
	{name: "create", args: func(t *testing.T, o *testenv.OCI) []string { return bundleArgs(t, o, "create") }},
	{name: "run", args: func(t *testing.T, o *testenv.OCI) []string { return bundleArgs(t, o, "run", "--detach") }},
	{
		name:  "start",
		setup: func(t *testing.T, o *testenv.OCI) { create(t, o, "c", sleeper) },
		args:  func(*testing.T, *testenv.OCI) []string { return []string{"start", "c"} }, after: "stopped",
	},
	{
		name:  "exec",
		setup: func(t *testing.T, o *testenv.OCI) { start(t, o, "c") },
		args: func(_ *testing.T, o *testenv.OCI) []string {
			return []string{"exec", "--detach", "--pid-file", filepath.Join(o.Dir, "pid"), "c", "sleep", "999"}
		},
		after: "running",
	},
	{
		name: "delete",
		setup: func(t *testing.T, o *testenv.OCI) {
			create(t, o, "c", sleeper)
			o.Must(t, "kill", "c", "KILL")
			o.Await(t, "c", "stopped")
		},
		args: func(*testing.T, *testenv.OCI) []string { return []string{"delete", "c"} }, after: "stopped",
	},
}

// points records the points that the command passes.
func (a *attempt) points(t *testing.T, o *testenv.OCI) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "points")
	if a.setup != nil {
		a.setup(t, o)
	}
	if r := o.Do(t, testenv.OCICommand{Args: a.args(t, o), Env: []string{"RUNTIME_POINTS=" + file}}); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	a.clean(t, o)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return lines(string(b))
}

func (a *attempt) clean(t *testing.T, o *testenv.OCI) {
	t.Helper()
	o.Must(t, "delete", "--force", "c")
	if err := os.Remove(filepath.Join(o.Dir, "pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// nothing wants no trace of the container.
func nothing(t *testing.T, o *testenv.OCI, when string) {
	t.Helper()
	// The cgroups' parent and the private folder are there all the time.
	left, err := testenv.Remains(testenv.Marks{Dirs: []string{o.Root, o.Rootfs}, Watch: []string{o.Root}})
	if err != nil {
		t.Fatal(err)
	}
	if dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + o.Cgroup + "/c"); len(dirs) > 0 {
		left = append(left, dirs...)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "pid")); err == nil {
		left = append(left, "the pid file")
	}
	if len(left) > 0 {
		t.Errorf("%s: left behind:\n%s", when, strings.Join(left, "\n"))
	}
}

// TestEachStepFails makes each step of each verb fail: one error line, and nothing is left of what the
// command had made.
func TestEachStepFails(t *testing.T) {
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			o := newRuntime(t)
			points := a.points(t, o)
			want := 12
			if a.after != "" {
				want = 1
			}
			if len(points) < want {
				t.Fatalf("only the points %q", points)
			}
			for _, p := range points {
				if strings.HasSuffix(p, ": done") || strings.HasPrefix(p, "file ") {
					continue // there a process may be killed, and an error is dropped
				}
				a.fails(t, o, p)
			}
		})
	}
}

func (a *attempt) fails(t *testing.T, o *testenv.OCI, point string) {
	t.Helper()
	if a.setup != nil {
		a.setup(t, o)
	}
	before := processes(t, o)
	r := o.Do(t, testenv.OCICommand{Args: a.args(t, o), Env: []string{"RUNTIME_FAIL=" + point}})
	if r.Code == 0 || !strings.Contains(r.Stderr, "injected at") || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("%s: %+v", point, r)
	}
	if a.after == "" {
		nothing(t, o, point)
	} else {
		o.Await(t, "c", a.after)
		if _, err := os.Stat(filepath.Join(o.Dir, "pid")); err == nil {
			t.Errorf("%s: the pid file is left", point)
		}
		if now := processes(t, o); a.after == "running" && !slices.Equal(now, before) {
			t.Errorf("%s: processes %q, before %q", point, now, before)
		}
	}
	a.clean(t, o)
	nothing(t, o, point+", after delete --force")
}

// processes are the command lines of what runs in the container.
func processes(t *testing.T, o *testenv.OCI) []string {
	t.Helper()
	var out []string
	for _, pid := range lines(strings.NewReplacer("[", "", "]", "", ",", "\n").Replace(o.Run(t, "ps", "-f", "json", "c").Stdout)) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%s/cmdline", pid))
		if len(b) > 0 { // not a zombie that waits for its parent
			out = append(out, string(b))
		}
	}
	return out
}

// TestKilledAtEachPoint kills each verb at each of its points; delete --force then removes all, and
// the id can be used again.
func TestKilledAtEachPoint(t *testing.T) {
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			o := newRuntime(t)
			points := a.points(t, o)
			for n := range points {
				if a.setup != nil {
					a.setup(t, o)
				}
				r := o.Do(t, testenv.OCICommand{Args: a.args(t, o), Env: []string{fmt.Sprintf("RUNTIME_KILL=%d", n+1)}})
				if r.Code != -1 {
					t.Errorf("point %d: %+v", n+1, r)
				}
				// A child that is about to execute its program has the lock for a moment longer than the one that was killed.
				wait(t, points[n]+": is no status that stays", func() bool {
					s := o.State(t, "c")
					return s == nil || slices.Contains([]any{"created", "running", "stopped"}, s["status"])
				})
				a.clean(t, o)
				nothing(t, o, "killed at "+points[n])
			}
			t.Logf("killed at %d points", len(points))
			o.Must(t, "run", "--bundle", o.Bundle(t, "c", []string{"true"}), "c")
		})
	}
}

// TestCreateFailsInside breaks the container from the inside at several stages of its init.
func TestCreateFailsInside(t *testing.T) {
	o := newRuntime(t)
	for name, c := range map[string]struct {
		words  string
		change func(*specs.Spec)
	}{
		"rootfs": {"nowhere", func(s *specs.Spec) { s.Root.Path = "/nowhere" }},
		"mount": {"/nowhere", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/m", Source: "/nowhere", Options: []string{"bind"}})
		}},
		"type":     {"no such device", func(s *specs.Spec) { s.Mounts = append(s.Mounts, specs.Mount{Destination: "/m", Type: "nofs"}) }},
		"cwd":      {"cwd", func(s *specs.Spec) { s.Process.Cwd = "/bin/sh" }},
		"program":  {"executable file not found in $PATH", func(s *specs.Spec) { s.Process.Args = []string{"nothing"} }},
		"absolute": {"no such file or directory", func(s *specs.Spec) { s.Process.Args = []string{"/nothing"} }},
		"limit": {"pids", func(s *specs.Spec) {
			n := int64(1) << 62
			s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &n}}
		}},
		"sysctl": {"net", func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.nothing": "1"} }},
	} {
		for _, verb := range []string{"create", "run"} {
			r := o.Run(t, verb, "--bundle", o.Bundle(t, "c", sleeper, c.change), "c")
			if r.Code == 0 || !strings.Contains(r.Stderr, c.words) || strings.Count(r.Stderr, "\n") != 1 {
				t.Errorf("%s %s: %+v", verb, name, r)
			}
			nothing(t, o, verb+" "+name)
		}
	}
}
