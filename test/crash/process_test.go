package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/manager-project/manager/internal/fault/arming"
	"github.com/manager-project/manager/internal/testenv"
)

// pid returns a number of the container's state: "Pid" or "ConmonPid".
func (m *manager) pid(field string) int {
	m.t.Helper()
	n, err := strconv.Atoi(m.must("inspect", "--format", "{{.State."+field+"}}", "x"))
	if err != nil || n < 2 {
		m.t.Fatalf("%s is %d, %v", field, n, err)
	}
	return n
}

// kill9 kills a process of the container and waits until it is gone.
func (m *manager) kill9(pid int) {
	m.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		m.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); runs(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("process %d does not go", pid)
		}
	}
}

// endUnseen ends the container with the monitor's clean-up killed before it does anything.
func (m *manager) endUnseen() {
	m.t.Helper()
	m.cleanupFaults(arming.Word(arming.Cleanup, "after=0s"))
	m.kill9(m.pid("Pid"))
	m.monitorGone()
	m.cleanupFaults("")
}

// runs reports whether a process is there and no zombie. One whose first thread is may have others, and with them all its files
// and locks.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || !strings.Contains(string(stat), ") Z ") {
		return err == nil
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return err == nil && len(threads) > 1
}

// processes are those of containers, monitors and commands. A dead one whose monitor was killed is the
// host's to reap, when it finds the time.
func (m *manager) processes() []testenv.Process {
	m.t.Helper()
	list, err := testenv.Processes(m.Marks())
	if err != nil {
		m.t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(p testenv.Process) bool { return !runs(p.PID) })
}

// cleanupFaults says what happens to the clean-up commands that monitors start from now on.
func (m *manager) cleanupFaults(words string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(m.Program), "cleanup-faults"), []byte(words), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// monitorGone waits until neither a monitor nor its clean-up runs any more.
func (m *manager) monitorGone() {
	m.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		list := m.processes()
		if len(list) == 0 {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("still there: %v", list)
		}
	}
}

// struck returns where processes were struck since it was last asked, a line each.
func (m *manager) struck() string {
	m.t.Helper()
	return strings.TrimSpace(m.log.Next())
}

// awaitEnd waits until the monitors of containers that do not run, and their clean-up commands, are
// gone.
func (m *manager) awaitEnd() {
	m.t.Helper()
	m.eventually("the processes of what does not run are gone", 10*time.Second, func() bool {
		r := m.with(nil, "ps", "--quiet")
		if r.Code != 0 || strings.TrimSpace(r.Stdout) != "" {
			return true // what runs has a right to a monitor, or has none
		}
		return len(m.processes()) == 0
	})
}
