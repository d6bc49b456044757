package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// cgroupOf is the version 2 cgroup of a process.
func cgroupOf(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(text)), "0::")
}

// With --cgroups=split the monitor and the container have halves of the service's cgroup, after a restart by policy too, and
// the limits of the unit hold for both.
func TestSystemdSplit(t *testing.T) {
	u := newUnits(t)
	u.CgroupParent = ""
	u.install("Type=oneshot\nRemainAfterExit=yes\nDelegate=yes\nMemoryMax=1G",
		"--cgroups", "split", "--restart", "always", "--memory", "64m", "busybox", "sh", "-c", "while ! rm /die 2>/dev/null; do sleep 0.1; done")
	u.systemctl("start", u.service())
	unit := u.property("ControlGroup")
	check := func() {
		t.Helper()
		if got := cgroupOf(t, u.container("{{.State.ConmonPid}}")); got != unit+"/supervisor" {
			t.Errorf("the monitor is in %s", got)
		}
		inside := unit + "/manager-" + u.container("{{.Id}}")
		if got := cgroupOf(t, u.container("{{.State.Pid}}")); got != inside {
			t.Errorf("the container is in %s", got)
		}
		if got := u.container("{{.State.CgroupPath}} {{.HostConfig.Cgroups}}"); got != inside+" split" {
			t.Errorf("inspect says %s", got)
		}
		limit, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", inside, "memory.max"))
		if err != nil || string(limit) != "67108864\n" {
			t.Errorf("limit %q, %v", limit, err)
		}
	}
	check()
	before := u.container("{{.State.Pid}}")
	u.MustRun(t, "exec", "c", "touch", "/die")
	until(t, unitWait, func() error {
		if now := u.container("{{.State.Pid}} {{.State.Status}}"); now == before+" running" || !strings.HasSuffix(now, " running") {
			return fmt.Errorf("still %s", now)
		}
		return nil
	})
	check()
	u.systemctl("stop", u.service())
	if _, err := os.Stat(filepath.Join("/sys/fs/cgroup", unit)); err == nil {
		t.Errorf("%s is left", unit)
	}
}

// A unit that is not delegated is systemd's.
func TestSystemdSplitUndelegated(t *testing.T) {
	u := newUnits(t)
	u.CgroupParent = ""
	u.write(u.service(), "[Service]\nType=oneshot\nEnvironment="+strings.Join(quoted(u.Env), " ")+"\nExecStart=/bin/sh -c \""+
		u.Program+" "+strings.Join(u.Args("run", "--name", "c", "--network", "none", "--cgroups", "split", "busybox", "true"), " ")+
		" 2>"+u.Dir+"/said; echo code $? >>"+u.Dir+"/said\"\n")
	u.systemctl("start", u.service())
	said, err := os.ReadFile(filepath.Join(u.Dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	wants(t, string(said), "--cgroups split: cgroup "+"/system.slice/"+u.service()+": it is systemd's, and not delegated; start it in a unit of systemd with Delegate=yes", "code 125\n")
}

// A user splits the cgroup of a unit of his own service manager.
func TestUserSplit(t *testing.T) {
	testenv.Need(t, testenv.User, testenv.Unified, testenv.Systemd, testenv.Delegated)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	words := []string{"--user", "--wait", "--pipe", "--quiet", "--collect", "--property=Delegate=yes"}
	for _, e := range m.Env {
		words = append(words, "--setenv="+e)
	}
	words = append(append(words, m.Program), m.Args("run", "--rm", "--network", "none", "--cgroupns", "host", "--cgroups", "split", "--pids-limit", "50",
		"busybox", "cat", "/proc/self/cgroup")...)
	ctx, cancel := context.WithTimeout(t.Context(), unitWait)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemd-run", words...).CombinedOutput()
	if err != nil || !regexp.MustCompile(`^0::/user\.slice/.*/run-.*\.service/manager-[0-9a-f]{64}\n$`).Match(out) {
		t.Errorf("%v: %s", err, out)
	}
}

func quoted(words []string) []string {
	var out []string
	for _, w := range words {
		out = append(out, quoteUnit(w))
	}
	return out
}
