package cgroups

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/errdefs"
)

func TestOwnPath(t *testing.T) {
	for text, want := range map[string]string{
		"0::/a.slice/b.service\n":                    "/a.slice/b.service",
		"0::/a.slice/b.service/supervisor\n":         "/a.slice/b.service",
		"12:pids:/x\n0::/a.slice/b.service/deeper\n": "/a.slice/b.service/deeper",
		"0::/\n":             "",
		"0::/supervisor\n":   "",
		"0::/../elsewhere\n": "",
		"12:pids:/x\n":       "",
		"":                   "",
	} {
		got, err := ownPath(text)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// Every process of a cgroup goes down, and doing it again changes nothing.
func TestSplit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a cgroup")
	}
	top := hostLayout(t).Unified
	if top == "" {
		testenv.Need(t, testenv.Root, testenv.Unified)
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		t.Skip("systemd has to delegate it: a test of units does that")
	}
	p := fmt.Sprintf("/manager-test-split-%d", os.Getpid())
	dir := filepath.Join(top, p)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var sleepers []*exec.Cmd
	for range 3 {
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sleepers = append(sleepers, cmd)
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, cmd := range sleepers {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if err := removeEmpty([]string{filepath.Join(dir, supervisor), dir}); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		if err := split(top, p); err != nil {
			t.Fatal(err)
		}
		for _, cmd := range sleepers {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", cmd.Process.Pid))
			if err != nil || !strings.Contains(string(text), "0::"+p+"/supervisor\n") {
				t.Errorf("%s, %v", text, err)
			}
		}
	}
}
