package cgroups

import (
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

// put moves a process into the cgroup.
func put(t *testing.T, c *Cgroup, pid int) {
	t.Helper()
	for _, dir := range c.dirs() {
		if err := writeFile(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			t.Fatal(err)
		}
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
