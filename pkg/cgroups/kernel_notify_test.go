package cgroups

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/errdefs"
)

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
