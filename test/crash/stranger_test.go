package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// stranger starts a process that has nothing to do with any container.
func stranger(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "100000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// forgePIDs makes all records of the container x, whose processes have ended, name another process: as if the kernel had
// given it the pids of the init, the monitor, a detached command and the network's helpers.
func (m *manager) forgePIDs(pid int) {
	m.t.Helper()
	db := open(m.t, filepath.Join(m.Root, "manager/state.db"))
	if _, err := db.Exec("UPDATE container SET pid=?, monitor_pid=? WHERE name='x'", pid, pid); err != nil {
		m.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		m.t.Fatal(err)
	}
	lives, err := filepath.Glob(filepath.Join(m.TmpDir, "containers/*/live.json"))
	execs, err2 := filepath.Glob(filepath.Join(m.TmpDir, "containers/*/exec/*/live.json"))
	if err != nil || err2 != nil || len(lives) != 1 || len(execs) != 1 {
		m.t.Fatalf("records %q and %q, %v, %v", lives, execs, err, err2)
	}
	for _, file := range append(lives, execs...) {
		record := map[string]any{}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &record)
		}
		if err == nil {
			record["pid"], record["monitor_pid"] = pid, pid
			text, err = json.Marshal(record)
		}
		if err == nil {
			err = os.WriteFile(file, text, 0o600)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	network := fmt.Sprintf(`{"complete": true, "processes": [{"pid": %d, "start_time": 1}, {"pid": %d, "start_time": 1, "carries": true}]}`, pid, pid)
	if err := os.WriteFile(filepath.Join(filepath.Dir(lives[0]), "network.json"), []byte(network), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// TestPIDOfAnother gives the pids of a container's dead processes to a stranger. No command takes it for one of the
// container's: it gets no signal, and the container has ended.
func TestPIDOfAnother(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	s := stranger(t)
	for _, args := range [][]string{
		{"stop", "--time", "0", "x"},
		{"kill", "x"},
		{"kill", "-s", "TERM", "x"},
		{"restart", "--time", "0", "x"},
		{"start", "x"},
		{"exec", "x", "true"},
		{"ps", "--all"},
		{"container", "cleanup", "x"},
		{"rm", "--force", "--time", "0", "x"},
	} {
		m.must(sleeper...)
		m.must("exec", "-d", "x", "sleep", "1000")
		pid := m.pid("Pid")
		m.kill9(m.pid("ConmonPid"))
		m.kill9(pid)
		m.monitorGone() // that of the detached command too
		m.forgePIDs(s.Process.Pid)
		r := m.Run(args...)
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Process.Pid)); err != nil || !runs(s.Process.Pid) {
			t.Fatalf("%v: the stranger has gone: %v %s", args, err, text)
		}
		if r.Code == 0 && (args[0] == "exec" || args[0] == "kill") {
			t.Errorf("%v: it is said to be done: %s", args, r.Stdout)
		}
		if got := m.statuses()["x"]; args[0] != "rm" && args[0] != "start" && args[0] != "restart" && got != "exited" {
			t.Errorf("%v: the container is %q", args, got)
		}
		m.must("rm", "--force", "--ignore", "--time", "0", "x")
		m.empty(fmt.Sprint(args))
	}
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err == nil || s.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("the stranger ended before by %v", err)
	}
}
