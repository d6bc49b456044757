package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/fault/arming"
)

// hooks gives containers with --device test.org/hook=NAME two poststop hooks, which write a line each into
// the returned file.
func (m *manager) hooks() string {
	m.t.Helper()
	dir := filepath.Join(m.Dir, "cdi")
	log := filepath.Join(m.Dir, "poststop")
	hook := func(word string) string {
		// Whoever runs them has to be done with the container's cgroup and mounts.
		script := fmt.Sprintf("cat >/dev/null; grep -q %s/overlay/.*/merged /proc/self/mountinfo && echo mounted >> %s; echo %s >> %s", m.Root, log, word, log)
		return fmt.Sprintf(`{"hookName": "poststop", "path": "/bin/sh", "args": ["sh", "-c", %q], "env": ["PATH=%s"]}`, script, os.Getenv("PATH"))
	}
	spec := fmt.Sprintf(`{"cdiVersion": "0.6.0", "kind": "test.org/hook", "devices": [{"name": "two", "containerEdits": {"hooks": [%s, %s]}}]}`, hook("one"), hook("two"))
	conf := filepath.Join(m.Dir, "containers.conf")
	old, err := os.ReadFile(conf)
	if err == nil {
		err = os.WriteFile(conf, fmt.Appendf(old, "cdi_spec_dirs = [%q]\n", dir), 0o600)
	}
	if err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "hook.json"), []byte(spec), 0o644)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return log
}

// said takes what the hooks have written, in one line.
func said(t *testing.T, log string) string {
	t.Helper()
	raw, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	_ = os.Remove(log)
	return strings.Join(strings.Fields(string(raw)), " ")
}

// TestPoststopOnceInACrowd lets the client in the foreground, the monitor's clean-up and many commands meet
// at the same end: the hooks run once, after the clean-up, and nothing is left.
func TestPoststopOnceInACrowd(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	log := m.hooks()
	crowd := [][]string{
		{"container", "cleanup", "x"},
		{"inspect", "x"},
		{"ps", "--all"},
		{"stop", "x"},
		{"wait", "x"},
		{"container", "cleanup", "--all"},
		{"rm", "--force", "--ignore", "x"},
		{"ps", "--all", "--sync"},
	}
	for i, o := range [][]string{{"-d"}, {"-d", "--rm"}, {}, {"--rm"}, {"-d", "-v", "/anonymous", "--rm"}, {"-v", "/anonymous"}} {
		cmd := m.Command(context.Background(), append(append([]string{"run", "--name", "x", "--network", "none", "--device", "test.org/hook=two"}, o...), busybox, "sleep", "1000")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		m.eventually("it runs", 20*time.Second, func() bool { return m.Run("exec", "x", "true").Code == 0 })
		pid := m.pid("Pid")
		var wait sync.WaitGroup
		for j, args := range crowd {
			wait.Go(func() {
				if j == 0 {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
				m.Run(args...) // some find no container any more
			})
		}
		wait.Wait()
		_ = cmd.Wait()
		m.must("rm", "--force", "--volumes", "--ignore", "x")
		m.empty(fmt.Sprintf("round %d", i))
		if got := said(t, log); got != "one two" {
			t.Errorf("%v: the hooks said %q", o, got)
		}
		m.must("volume", "prune", "--force")
	}
}

// TestPoststopAfterKills kills the monitor and then each who cleans up, at each of its points: the next does
// the rest, no hook runs twice, and at most the one is lost that was about to begin.
func TestPoststopAfterKills(t *testing.T) {
	for name, rm := range map[string][]string{"kept": nil, "removed": {"--rm"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			log := m.hooks()
			run := append([]string{"run", "-d", "--name", "x", "--network", "none", "--device", "test.org/hook=two"}, rm...)
			lost := 0
			for n := 1; ; n++ {
				m.must(append(run, busybox, "sleep", "1000")...)
				m.endUnseen()
				if got := said(t, log); got != "" {
					t.Fatalf("before any clean-up: %q", got)
				}
				r := m.with([]string{arming.Word(arming.Client, fmt.Sprintf("at=%d", n))}, "container", "cleanup", "x")
				m.must("rm", "--force", "--volumes", "--time", "0", "--ignore", "x")
				when := m.struck()
				m.statuses() // sweeps what a killed removal leaves
				m.empty(when)
				switch got := said(t, log); {
				case got == "one two":
				case strings.Contains(when, "hook: taken") && (got == "one" || got == "two"):
					lost++
				default:
					t.Errorf("%s: the hooks said %q", when, got)
				}
				if !r.killed {
					break
				}
			}
			if lost > 2 {
				t.Errorf("hooks were lost %d times", lost)
			}
		})
	}
}

// TestPoststopAfterAFailedStart wants the hooks also where the program never ran.
func TestPoststopAfterAFailedStart(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	log := m.hooks()
	run := []string{"run", "--name", "x", "--network", "none", "--device", "test.org/hook=two", busybox}
	if r := m.Run(append(run, "/nosuch")...); r.Code != 127 {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	if got := said(t, log); got != "one two" {
		t.Errorf("no program: %q", got)
	}
	m.must("rm", "x")
	for _, step := range []string{"start: note that it runs", "start: generate the spec"} {
		m.with([]string{arming.Word(arming.Client, "fail="+step)}, append(run, "true")...)
		want := ""
		if strings.HasSuffix(step, "runs") {
			want = "one two"
		}
		if got := said(t, log); got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
		m.must("rm", "--force", "--ignore", "x")
	}
	m.empty("after failed starts")
}
