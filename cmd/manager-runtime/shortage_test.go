package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// withPids limits the tasks of a container, withMemory its bytes of memory.
func withPids(n int64) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &n}} }
}

func withMemory(n int64) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &n}} }
}

// byTheSmallProgram has the container built by it: hooks are none of an image's.
func byTheSmallProgram(s *specs.Spec) {
	s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/true"}}}
}

// fewTasks and little are what an error says of the limit that was reached.
const (
	fewTasks = "pids limit is 1: raise it"
	little   = "memory limit of %d bytes was reached: raise it"
)

// named wants one line that names a limit.
func named(t *testing.T, what string, r testenv.Result, words string) {
	t.Helper()
	if r.Code == 0 || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, words) {
		t.Errorf("%s: %+v, want %q", what, r, words)
	}
}

// TestFewTasks has the limit of tasks reached by a hook in the container, and by exec.
func TestFewTasks(t *testing.T) {
	o := newRuntime(t)
	named(t, "run", o.Run(t, "run", "--detach", "--bundle", o.Bundle(t, "c", sleeper, withPids(1), byTheSmallProgram), "c"), fewTasks)
	nothing(t, o, "no task left for a hook")
	start(t, o, "c", withPids(1))
	before := fmt.Sprint(processes(t, o))
	for name, args := range map[string][]string{
		"exec": {"exec", "c", "true"}, "detached": {"exec", "--detach", "--pid-file", filepath.Join(o.Dir, "pid"), "c", "true"},
	} {
		named(t, name, o.Run(t, args...), fewTasks)
		if now := fmt.Sprint(processes(t, o)); now != before {
			t.Errorf("%s: processes %s, before %s", name, now, before)
		}
	}
	o.Must(t, "delete", "--force", "c")
	nothing(t, o, "no task left for exec")
}

// TestLittleMemory makes containers with limits that are too low for an init, by both ways, or for a process that joins.
func TestLittleMemory(t *testing.T) {
	o := newRuntime(t)
	for way, change := range map[string]func(*specs.Spec){"image": func(*specs.Spec) {}, "small program": byTheSmallProgram} {
		failed := 0
		for _, limit := range []int64{4 << 10, 64 << 10, 192 << 10, 384 << 10, 768 << 10, 8 << 20} {
			what := fmt.Sprintf("%s, %d bytes", way, limit)
			r := o.Run(t, "run", "--detach", "--bundle", o.Bundle(t, "c", sleeper, withMemory(limit), change), "c")
			if r.Code != 0 {
				failed++
				named(t, what, r, fmt.Sprintf(little, limit))
				nothing(t, o, what+": "+r.Stderr)
				continue
			}
			if r := o.Run(t, "exec", "c", "true"); r.Code != 0 && r.Code != 137 { // that was the program's end already
				named(t, "exec, "+what, r, fmt.Sprintf(little, limit))
			}
			o.Must(t, "delete", "--force", "c")
			nothing(t, o, what)
		}
		if failed == 0 || failed == 6 {
			t.Errorf("%s: %d of 6 failed", way, failed)
		}
	}
}

// TestFewProcesses gives the user who starts a container too few processes. Where it is Go's own runtime that can make no
// thread the command ends as by a kill: what it has made is then deleted by force.
func TestFewProcesses(t *testing.T) {
	o := newRuntime(t)
	home, edit := newHome(t, o)
	edit(`"terminal": true`, `"terminal": false`)
	edit(`"sh"`, `"sleep", "1000"`)
	const most = 64
	verbs := [][]string{{"run", "--detach", "c"}, {"exec", "c", "true"}}
	failed := make([]int, len(verbs))
	verb := 0
	for n := 1; verb < len(verbs) && n < most; n++ {
		out, code := asNobodyWith(t, o, fmt.Sprint("RUNTIME_NPROC=", n), verbs[verb]...)
		what := fmt.Sprintf("%v with %d processes", verbs[verb], n)
		if code == 0 {
			verb, n = verb+1, 0
			continue
		}
		failed[verb]++
		if !strings.Contains(out, "ulimit -u") {
			t.Errorf("%s: %d, %s", what, code, out)
		}
		if verb > 0 {
			continue
		}
		if code == 2 { // it was the command itself
			if out, code := asNobody(t, o, "delete", "--force", "c"); code != 0 {
				t.Errorf("%s, delete: %d, %s", what, code, out)
			}
		}
		if left, _ := os.ReadDir(filepath.Join(home, name)); len(left) != 0 {
			t.Errorf("%s: left %v: %s", what, left, out)
		}
		nothing(t, o, what)
	}
	if verb < len(verbs) || failed[0] == 0 {
		t.Errorf("no success of %v, or no failure: %v", verbs, failed)
	}
	if out, code := asNobody(t, o, "delete", "--force", "c"); code != 0 {
		t.Errorf("delete: %d, %s", code, out)
	}
	nothing(t, o, "deleted")
}
