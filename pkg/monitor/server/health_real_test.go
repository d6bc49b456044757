package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/monitor"
)

// probe compiles a command of the container as a check.
func (f *realFixture) probe(args ...string) []byte {
	f.t.Helper()
	p, h, err := compile.Exec(&specs.Process{Args: args, Cwd: "/tmp", Env: []string{"PATH=/bin", "WHO=check"}, User: specs.User{UID: 7, GID: 8}}, compile.ExecOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer h.Close()
	plan, err := p.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	return plan
}

// A check runs in the container's namespaces, with the user, directory and environment of its plan.
func TestRealHealth(t *testing.T) {
	f := newReal(t, "sleep", "60")
	f.spec.Process.Env = append(f.spec.Process.Env, "MARK=init")
	f.checked("", func(h *monitor.HealthConfig) {
		h.Check.Plan = f.probe("sh", "-c", "cat /proc/1/cmdline; echo; echo $WHO $PWD $$; cat /proc/self/status; exit 3")
		h.Check.Retries, h.MaxOutput = 1, 4096
	})
	f.start()
	out := f.eventuallyHealth(monitor.HealthUnhealthy).Log[0]
	if out.ExitCode != 3 || !strings.HasPrefix(out.Output, "sleep\x0060\x00\ncheck /tmp ") || !strings.Contains(out.Output, "Uid:\t7\t7") || !strings.Contains(out.Output, "SigIgn:\t0000000000000000") {
		t.Errorf("exit code %d, output\n%s", out.ExitCode, out.Output)
	}
}

// TestRealHealthCost holds what the monitor itself spends on a check: at one a second, less than 1% of a core.
func TestRealHealthCost(t *testing.T) {
	f := newReal(t, "sleep", "600")
	const want = 60
	f.checked("", func(h *monitor.HealthConfig) {
		h.Check.Plan = f.probe("true")
		h.Check.Interval, h.MaxLog = time.Millisecond, 2*want
	})
	f.start().Release()
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	count := func() int {
		h, err := monitor.ReadHealth(filepath.Join(f.dir, monitor.HealthFile))
		if err != nil {
			return 0
		}
		return len(h.Log)
	}
	f.eventually("few checks", func() bool { return count() > 0 })
	before, from := cpuTicks(t, live.MonitorPID), count()
	f.eventually("few checks", func() bool { return count() >= want+from })
	spent := time.Duration(cpuTicks(t, live.MonitorPID)-before) * 10 * time.Millisecond
	each := spent / want
	t.Logf("%v of the monitor for each check, %.2f%% of a core at one a second; %d kB PSS", each, float64(each)/1e7, pss(t, live.MonitorPID))
	if each > 10*time.Millisecond {
		t.Errorf("%v for each check", each)
	}
}

// cpuTicks are utime and stime in hundredths of a second. Source: proc_pid_stat(5).
func cpuTicks(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		t.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		t.Fatal(err)
	}
	return user + system
}
