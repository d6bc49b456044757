package monitor

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestRestartDecision is every policy with every cause of an end.
func TestRestartDecision(t *testing.T) {
	at := time.Unix(1000, 0)
	record := func(cause string, code int) ExitRecord {
		return ExitRecord{Cause: cause, Code: code, StartedAt: at, FinishedAt: at.Add(time.Second)}
	}
	unhealthy := record(CauseHealth, 0)
	unhealthy.Again = true
	ends := []struct {
		name    string
		record  ExitRecord
		stopped bool
		// want is for no policy, always, unless-stopped, on-failure, on-failure:2 with 1 and with 2 restarts behind it,
		// and for a container that is restarted for its health alone.
		want string
	}{
		{"exit 0", record(CauseExit, 0), false, "-++----"},
		{"exit 1", record(CauseExit, 1), false, "-++++--"},
		{"signal", record(CauseSignal, 139), false, "-++++--"},
		{"out of memory", record(CauseOOM, 137), false, "-++++--"},
		{"timeout", record(CauseTimeout, 137), false, "-++++--"},
		{"monitor killed, nobody saw the end", record(CauseLost, -1), false, "-++++--"},
		{"a signal that asks for something else", record(CauseExit, 5), false, "-++++--"},
		{"stop", record(CauseSignal, 143), true, "-------"},
		{"stop, and the program left with 0", record(CauseExit, 0), true, "-------"},
		{"kill", record(CauseSignal, 137), true, "-------"},
		{"restart", record(CauseSignal, 143), true, "-------"},
		{"rm --force", record(CauseSignal, 143), true, "-------"},
		{"failed start", record(CauseStartFailed, 127), false, "-------"},
		{"monitor killed, then stop", record(CauseLost, -1), true, "-------"},
		{"unhealthy, to be started anew", unhealthy, false, "-++++-+"},
		{"unhealthy, and stopped meanwhile", unhealthy, true, "-------"},
	}
	policies := []*Restart{
		nil,
		{Policy: RestartAlways},
		{Policy: RestartUnlessStopped},
		{Policy: RestartOnFailure, Count: 99},
		{Policy: RestartOnFailure, Max: 2, Count: 1},
		{Policy: RestartOnFailure, Max: 2, Count: 2},
		{Count: 7},
	}
	for _, end := range ends {
		got := ""
		for _, p := range policies {
			next := p.After(end.record, end.stopped)
			if next == nil {
				got += "-"
				continue
			}
			got += "+"
			if next.Count != p.Count+1 {
				t.Errorf("%s, %s: restart %d after %d", end.name, p.Policy, next.Count, p.Count)
			}
		}
		if got != end.want {
			t.Errorf("%s: %s, want %s", end.name, got, end.want)
		}
	}
	if (&Restart{Policy: RestartNo}).After(record(CauseExit, 1), false) != nil {
		t.Error("the policy no restarts")
	}
}

func TestRestartOnBoot(t *testing.T) {
	for _, c := range []struct {
		policy        string
		stopped, want bool
	}{
		{"", false, false},
		{RestartNo, false, false},
		{RestartOnFailure, false, false},
		{RestartAlways, false, true},
		{RestartAlways, true, true},
		{RestartUnlessStopped, false, true},
		{RestartUnlessStopped, true, false},
	} {
		if got := OnBoot(c.policy, c.stopped); got != c.want {
			t.Errorf("%q, stopped %v: %v", c.policy, c.stopped, got)
		}
	}
}

// The wait doubles from a tenth of a second to a minute, and begins anew after a container that ran.
func TestBackOff(t *testing.T) {
	at := time.Unix(1000, 0)
	r := &Restart{Policy: RestartAlways}
	fail := ExitRecord{Code: 1, StartedAt: at, FinishedAt: at.Add(RestartSettled - 1)}
	var waits []time.Duration
	for range 12 {
		next := r.After(fail, false)
		if !next.At.Equal(fail.FinishedAt.Add(next.Wait)) {
			t.Fatalf("due %v after a wait of %v", next.At, next.Wait)
		}
		waits = append(waits, next.Wait)
		r.Count, r.Wait = next.Count, next.Wait
	}
	for i, w := range waits {
		if want := min(RestartFirst<<i, RestartLongest); w != want {
			t.Errorf("wait %d is %v, want %v", i, w, want)
		}
	}
	ran := ExitRecord{Code: 1, StartedAt: at, FinishedAt: at.Add(RestartSettled)}
	if next := r.After(ran, false); next.Wait != RestartFirst || next.Count != 13 {
		t.Errorf("after a container that ran: %+v", next)
	}
}

// A restart is held by a process, which is ended when it is called off, by SIGTERM or else by SIGKILL, but only once it does nothing else.
func TestHeldRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "restart.lock")
	held := func(want bool, when string) {
		t.Helper()
		if got, err := RestartHeld(path); got != want || err != nil {
			t.Errorf("%s: held %v, %v", when, got, err)
		}
	}
	held(false, "without a file")
	if err := CancelRestart(path); err != nil {
		t.Errorf("called off without a file: %v", err)
	}
	for idle, want := range map[string]string{"": "exit status 0", "yes": "signal: terminated", "deaf": "signal: killed"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{"HOLD_RESTART=" + path, "HOLD_IDLE=" + idle}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if n, err := out.Read(make([]byte, 1)); n != 1 {
			t.Fatal(err)
		}
		held(true, "by a process")
		if err := CancelRestart(path); err != nil {
			t.Errorf("called off: %v", err)
		}
		held(false, "called off")
		_ = in.Close()
		_ = cmd.Wait()
		if got := cmd.ProcessState.String(); got != want { // with 1 if the restart stands
			t.Errorf("idle %q: the process ended with %s, want %s", idle, got, want)
		}
	}
	h, err := HoldRestart(path)
	if err != nil {
		t.Fatal(err)
	}
	if !h.Idle() {
		t.Error("a restart that nobody called off does not stand")
	}
	h.Free()
	held(false, "freed")
}

// A holder calls its restart off for whoever comes next, until there is another to hold.
func TestCallOffRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "restart.lock")
	for range 2 {
		h, err := HoldRestart(path)
		if err != nil {
			t.Fatal(err)
		}
		if RestartCalledOff(path) {
			t.Error("a new restart is called off")
		}
		if err := h.CallOff(); err != nil {
			t.Fatal(err)
		}
		h.Free()
		if !RestartCalledOff(path) {
			t.Error("it is not called off")
		}
	}
}
