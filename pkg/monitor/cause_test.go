package monitor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDecideCause is every source of an end, with what else could be taken for it.
func TestDecideCause(t *testing.T) {
	at := time.Unix(1000, 0)
	note := func(by string, sig unix.Signal, timeout, before time.Duration) *Stop {
		return &Stop{By: by, Signal: int(sig), Timeout: timeout, At: at.Add(-before)}
	}
	for _, tt := range []struct {
		name      string
		signal    unix.Signal
		oom       bool
		stop      *Stop
		wanted    string
		want      string
		escalated bool
	}{
		{name: "by itself", want: CauseExit},
		{name: "a stranger's signal", signal: unix.SIGKILL, want: CauseSignal},
		{name: "a crash", signal: unix.SIGSEGV, want: CauseSignal},
		{name: "out of memory", signal: unix.SIGKILL, oom: true, want: CauseOOM},
		{name: "a child out of memory", oom: true, want: CauseExit},
		{name: "a crash after a child ran out of memory", signal: unix.SIGSEGV, oom: true, want: CauseSignal},
		{name: "timeout", signal: unix.SIGKILL, wanted: CauseTimeout, want: CauseTimeout},
		{name: "health", signal: unix.SIGTERM, wanted: CauseHealth, want: CauseHealth},
		{name: "stop", signal: unix.SIGTERM, stop: note(StopByStop, unix.SIGTERM, 10*time.Second, time.Second), want: CauseStop},
		{name: "stop, handled", stop: note(StopByStop, unix.SIGTERM, 10*time.Second, time.Second), want: CauseStop},
		{name: "stop, killed in time", signal: unix.SIGKILL, stop: note(StopByStop, unix.SIGTERM, 10*time.Second, 10*time.Second), want: CauseStop, escalated: true},
		{name: "stop with SIGKILL", signal: unix.SIGKILL, stop: note(StopByStop, unix.SIGKILL, 0, time.Second), want: CauseStop},
		{name: "stop that was given up, hours ago", signal: unix.SIGKILL, stop: note(StopByStop, unix.SIGTERM, 10*time.Second, time.Hour), want: CauseSignal},
		{name: "out of memory while it is being stopped", signal: unix.SIGKILL, oom: true, stop: note(StopByStop, unix.SIGTERM, 10*time.Second, time.Second), want: CauseOOM},
		{name: "stop, killed after a child ran out of memory", signal: unix.SIGKILL, oom: true, stop: note(StopByStop, unix.SIGTERM, 10*time.Second, 11*time.Second), want: CauseStop, escalated: true},
		{name: "restart", signal: unix.SIGTERM, stop: note(StopByRestart, unix.SIGTERM, 10*time.Second, 0), want: CauseRestart},
		{name: "rm", signal: unix.SIGKILL, stop: note(StopByRemove, unix.SIGTERM, 0, 0), want: CauseRemove, escalated: true},
		{name: "kill", signal: unix.SIGKILL, stop: note(StopByKill, unix.SIGKILL, 0, 0), want: CauseKill},
		{name: "kill after a child ran out of memory", signal: unix.SIGKILL, oom: true, stop: note(StopByKill, unix.SIGKILL, 0, 0), want: CauseKill},
		{name: "kill with a signal that was handled", stop: note(StopByKill, unix.SIGTERM, 0, time.Second), want: CauseKill},
		{name: "a stranger's SIGKILL after a kill with SIGTERM", signal: unix.SIGKILL, stop: note(StopByKill, unix.SIGTERM, 0, time.Second), want: CauseSignal},
		{name: "an end long after a kill that was ignored", stop: note(StopByKill, unix.SIGTERM, 0, time.Minute), want: CauseExit},
	} {
		e := ExitRecord{Signal: int(tt.signal), OOMKilled: tt.oom, Memory: &MemoryUse{AtEnd: tt.oom}, Stop: tt.stop, FinishedAt: at}
		if e.Cause = e.DecideCause(tt.wanted); e.Cause != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, e.Cause, tt.want)
		}
		if e.Escalated() != tt.escalated {
			t.Errorf("%s: escalated %v", tt.name, e.Escalated())
		}
	}
}
