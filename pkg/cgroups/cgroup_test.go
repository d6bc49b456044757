package cgroups

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func testCgroup(t *testing.T, r *specs.LinuxResources) *Cgroup {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if Mode() == Disabled {
		t.Skip("needs a cgroup file system")
	}
	c, err := Create(Config{Path: fmt.Sprintf("/manager-test-%d", os.Getpid()), Resources: r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.KillAll(); err != nil {
			t.Error(err)
		}
		if err := c.Remove(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func ptr[T any](v T) *T { return &v }

func TestLimitsReachTheKernel(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	c := testCgroup(t, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20))},
		Pids:   &specs.LinuxPids{Limit: ptr(int64(17))},
		CPU:    &specs.LinuxCPU{Shares: ptr(uint64(512)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000))},
	})
	for file, want := range map[string]string{
		"memory/memory.limit_in_bytes": "67108864", "pids/pids.max": "17",
		"cpu/cpu.shares": "512", "cpu/cpu.cfs_quota_us": "50000",
	} {
		name, base, _ := strings.Cut(file, "/")
		b, err := os.ReadFile(filepath.Join(c.v1[name], base))
		if err != nil || strings.TrimSpace(string(b)) != want {
			t.Errorf("%s: %q (%v), want %s", file, b, err, want)
		}
	}
}

func TestMissingControllerIsNamed(t *testing.T) {
	l, err := ReadLayout()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range l.V1 {
		for _, n := range h.Controllers {
			if n == "net_cls" {
				t.Skip("this host has net_cls")
			}
		}
	}
	_, err = Create(Config{Path: "/manager-test-missing", Resources: &specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(1))}}})
	if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "net_cls") {
		t.Errorf("got %v", err)
	}
	if _, err := Load("/manager-test-missing"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("left behind: %v", err)
	}
}

// enter starts a sleeping process in the cgroup.
func enter(t *testing.T, c *Cgroup) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for _, dir := range c.dirs() {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
			t.Fatal(err)
		}
	}
	return cmd
}

func TestFreezeKillAndList(t *testing.T) {
	c := testCgroup(t, nil)
	cmd := enter(t, c)
	pids, err := c.PIDs()
	if err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Fatalf("pids %v, %v", pids, err)
	}
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	if frozen, err := c.Frozen(); err != nil || !frozen {
		t.Errorf("frozen %v, %v", frozen, err)
	}
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
	if frozen, err := c.Frozen(); err != nil || frozen {
		t.Errorf("still frozen: %v, %v", frozen, err)
	}
	if err := c.KillAll(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v", cmd.ProcessState)
	}
	if _, err := c.Stats(); err != nil {
		t.Error(err)
	}
}

func TestRemoveIdle(t *testing.T) {
	c := testCgroup(t, nil)
	cmd := enter(t, c)
	if c.RemoveIdle() {
		t.Error("removed with a process in it")
	}
	if pids, err := c.PIDs(); err != nil || len(pids) != 1 {
		t.Errorf("pids %v, %v", pids, err)
	}
	if err := c.KillAll(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !c.RemoveIdle() || c.exists() {
		t.Error("nobody is in it, and it is left")
	}
	if !c.RemoveIdle() {
		t.Error("one that is gone counts as left")
	}
}

func TestRemoveTakesSubCgroups(t *testing.T) {
	c := testCgroup(t, nil)
	for _, dir := range c.dirs() {
		if err := os.MkdirAll(filepath.Join(dir, "a/b"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range c.dirs() {
		if exists(dir) {
			t.Errorf("%s is left", dir)
		}
	}
}

func TestDeviceProgramDecides(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	l, err := ReadLayout()
	if err != nil || l.Unified == "" {
		t.Skip("needs a version 2 tree")
	}
	dir := filepath.Join(l.Unified, fmt.Sprintf("manager-devices-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = removeDir(dir) })
	rules, err := deviceRules(&specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: ptr(int64(10)), Minor: ptr(int64(200)), Access: "r"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time replaces the first
		if err := attachDeviceProgram(dir, rules); err != nil {
			if errors.Is(err, unix.EPERM) {
				t.Skipf("this kernel takes no device programs: %v", err)
			}
			t.Fatal(err)
		}
	}
	node := filepath.Join(t.TempDir(), "mem")
	if err := unix.Mknod(node, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 1))); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("echo $$ > %s/cgroup.procs; head -c1 /dev/zero >/dev/null && echo zero; head -c1 %s >/dev/null 2>&1 || echo refused", dir, node)
	out, err := exec.Command("sh", "-c", script).Output()
	if err != nil || strings.TrimSpace(string(out)) != "zero\nrefused" {
		t.Errorf("output %q, %v", out, err)
	}
}
