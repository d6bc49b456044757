package e2e

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// firstThread in the environment makes this program one whose first thread ends, and whose others go on until SIGTERM.
const firstThread = "MANAGER_TEST_FIRST_THREAD"

func init() {
	if os.Getenv(firstThread) == "" {
		return
	}
	runtime.LockOSThread() // the first one, as long as packages are initialised
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() {
		<-end
		os.Exit(7)
	}()
	_, _, _ = syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
}

// TestFirstThreadEnds runs a program whose first thread ends, which makes the process look like a zombie: it runs until all threads have
// ended.
func TestFirstThreadEnds(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	for _, options := range [][]string{nil, {"--runtime", filepath.Join(testenv.Programs(t), "manager-runtime")}} {
		m.MustRun(t, append(options, "run", "-d", "--name", "x", "--network", "none", "-e", firstThread+"=1", "-v", executable(t)+":/self:ro", "busybox", "/self")...)
		pid := m.MustRun(t, "inspect", "--format", "{{.State.Pid}}", "x")
		eventually(t, "its first thread runs", func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%s/stat", pid))
			return err == nil && strings.Contains(string(stat), ") Z ")
		})
		if got := m.MustRun(t, "ps", "--format", "{{.State}} {{.Names}}"); got != "running x" {
			t.Errorf("ps: %q", got)
		}
		if got := m.MustRun(t, "inspect", "--format", "{{.State.Status}} {{.State.Pid}}", "x"); got != "running "+pid {
			t.Errorf("inspect: %q, want pid %s", got, pid)
		}
		if r := m.Run("exec", "x", "true"); r.Code != 125 || !strings.Contains(r.Stderr, "the first thread of its process has ended") {
			t.Errorf("exec: exit code %d: %s", r.Code, r.Stderr)
		}
		if r := m.Run("rm", "x"); r.Code == 0 || !strings.Contains(r.Stderr, "running") {
			t.Errorf("rm: exit code %d: %s", r.Code, r.Stderr)
		}
		m.MustRun(t, "stop", "x")
		if got := m.MustRun(t, "wait", "x"); got != "7" {
			t.Errorf("exit code %s", got)
		}
		m.MustRun(t, "rm", "x")
	}
}
