package crash

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// shortage is something of which a command gets too little.
type shortage struct {
	// unit is what a step is, most the steps after which it has to be enough.
	unit string
	most int
	// limit is a shell's line that gives the shell n steps of it, "" where this machine cannot.
	limit func(t *testing.T, n int) string
}

// inCgroup is a limit of a version 1 controller.
func inCgroup(controller, file string, step int) func(t *testing.T, n int) string {
	return func(t *testing.T, n int) string {
		t.Helper()
		parent := filepath.Join("/sys/fs/cgroup", controller)
		if _, err := os.Stat(filepath.Join(parent, "cgroup.procs")); err != nil {
			return ""
		}
		dir, err := os.MkdirTemp(parent, testenv.CgroupPrefix+os.Getenv(testenv.RunVariable)+"short")
		if err != nil {
			return ""
		}
		t.Cleanup(func() {
			for deadline := time.Now().Add(10 * time.Second); os.Remove(dir) != nil; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Errorf("%s is still used", dir)
					return
				}
			}
		})
		if err := os.WriteFile(filepath.Join(dir, file), []byte(fmt.Sprint(n*step)), 0); err != nil {
			t.Fatal(err)
		}
		return "echo 0 >" + filepath.Join(dir, "cgroup.procs")
	}
}

// TestShortages gives commands one descriptor, task or megabyte more at each turn, until they succeed: one that fails has left nothing
// behind, and what runs is not concerned.
func TestShortages(t *testing.T) {
	for name, s := range map[string]shortage{
		"descriptors": {"descriptors", 64, func(_ *testing.T, n int) string { return fmt.Sprintf("ulimit -n %d", n) }},
		"tasks":       {"tasks", 64, inCgroup("pids", "pids.max", 1)},
		"memory":      {"megabytes", 96, inCgroup("memory", "memory.limit_in_bytes", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			m.must(untilEnd...)
			m.eventually("it runs", 20*time.Second, func() bool { return m.must("logs", "y") == "up" })
			before := m.must("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", "y")
			for _, args := range [][]string{
				{"run", "--name", "x", "-v", "/anonymous", "--network", "none", busybox, "true"},
				{"run", "-d", "--name", "x", "--network", "none", busybox, "sleep", "1000"},
				{"create", "--name", "x", "--network", "none", busybox, "true"},
				{"exec", "y", "true"},
			} {
				failed := 0
				for n, well := 1, 0; well < 2; n++ {
					if n > s.most {
						t.Errorf("%v: %d %s are not enough", args, s.most, s.unit)
						break
					}
					limit := s.limit(t, n)
					if limit == "" {
						t.Skip("this machine has no such limit")
					}
					when := fmt.Sprintf("%v with %d %s", args, n, s.unit)
					code, said := m.short(limit, args...)
					if code == 0 {
						well++
					} else {
						failed++
						well = 0
					}
					// Go's own runtime ends a process that can make no thread, or has no memory, with what its threads did.
					if strings.Contains(said, "goroutine ") && !strings.Contains(said, "runtime: ") {
						t.Errorf("%s: exit code %d: %s", when, code, said)
					}
					m.sane(when + ": " + said)
					if _, there := m.statuses()["x"]; there {
						m.must("rm", "--force", "--volumes", "--time", "0", "x")
					}
				}
				if failed == 0 {
					t.Errorf("%v: nothing failed", args)
				}
			}
			if after := m.must("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", "y"); after != before {
				t.Errorf("what ran is %s, before %s", after, before)
			}
			m.must("stop", "y")
			m.must("rm", "y")
			m.reuse("with enough of it")
		})
	}
}

// short runs a command after a line of a shell. Its exit code is -1 if it was killed.
func (m *manager) short(limit string, args ...string) (code int, said string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	plain := m.Command(ctx, args...)
	cmd := exec.CommandContext(ctx, "sh", slices.Concat([]string{"-c", limit + ` && exec "$@"`, "sh"}, plain.Args)...)
	cmd.Path, cmd.Env, cmd.Dir = "/bin/sh", append(slices.Clone(plain.Env), userWord), plain.Dir
	cmd.WaitDelay = 2 * time.Second
	var out bytes.Buffer
	cmd.Stderr = &out
	_ = cmd.Run()
	if ctx.Err() != nil {
		m.t.Errorf("%s, %v: hangs: %s", limit, args, out.String())
	}
	return cmd.ProcessState.ExitCode(), out.String()
}
