package libpod

import (
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/monitor"
)

// TestWhyWords is every cause with the least that can be known of it, and what the words must say.
func TestWhyWords(t *testing.T) {
	at := time.Unix(1000, 0)
	for _, tt := range []struct {
		record monitor.ExitRecord
		// want are parts of the answer, in their order.
		want []string
	}{
		{monitor.ExitRecord{Cause: monitor.CauseExit}, []string{"ended by itself, well"}},
		{monitor.ExitRecord{Cause: monitor.CauseExit, Code: 126}, []string{"exit code 126", "cannot be executed", "manager logs c"}},
		{monitor.ExitRecord{Cause: monitor.CauseExit, Code: 139}, []string{"exit code 139", "SIGSEGV"}},
		{monitor.ExitRecord{Cause: monitor.CauseSignal, Code: 137, Signal: 9}, []string{"killed by SIGKILL", "outside", "not known: it has no cgroup"}},
		{monitor.ExitRecord{Cause: monitor.CauseSignal, Code: 137, Signal: 9, Memory: &monitor.MemoryUse{}}, []string{"killed by SIGKILL", "not for lack of memory"}},
		{monitor.ExitRecord{Cause: monitor.CauseSignal, Code: 159, Signal: 31}, []string{"crashed: SIGSYS", "seccomp"}},
		{monitor.ExitRecord{Cause: monitor.CauseOOM, Code: 137, Signal: 9, OOMKilled: true, Memory: &monitor.MemoryUse{Kills: 1}}, []string{"out of memory", "no limit of its own", "free memory"}},
		{monitor.ExitRecord{Cause: monitor.CauseOOM, Code: 137, Signal: 9, OOMKilled: true, Memory: &monitor.MemoryUse{Kills: 1, Limit: 3 << 19, Peak: 1 << 20}}, []string{"limit of 1.5 MiB (peak 1 MiB)", "--memory"}},
		{monitor.ExitRecord{Cause: monitor.CauseExit, Code: 4, OOMKilled: true, Memory: &monitor.MemoryUse{Kills: 2, Limit: 1 << 30}}, []string{"exit code 4", "2 other processes", "1 GiB", "--memory"}},
		{monitor.ExitRecord{Cause: monitor.CauseTimeout, Code: 137, Signal: 9}, []string{"out of time", "5s of its --timeout", "more time"}},
		{monitor.ExitRecord{Cause: monitor.CauseHealth, Code: 143, Signal: 15}, []string{"unhealthy", "State.Health"}},
		{monitor.ExitRecord{Cause: monitor.CauseStop, Code: 143, Signal: 15}, []string{`stopped by "manager stop"`}},
		{monitor.ExitRecord{
			Cause: monitor.CauseRestart, Code: 137, Signal: 9, FinishedAt: at,
			Stop: &monitor.Stop{By: monitor.StopByRestart, Signal: 15, Timeout: time.Minute, At: at.Add(-time.Second)},
		}, []string{`killed by "manager restart"`, "neither handles nor blocks SIGTERM", "--init"}},
		{monitor.ExitRecord{Cause: monitor.CauseRemove, Code: 0}, []string{`stopped by "manager rm"`}},
		{monitor.ExitRecord{Cause: monitor.CauseKill, Code: 137, Signal: 9}, []string{`ended by "manager kill"`}},
		{monitor.ExitRecord{Cause: monitor.CauseStartFailed, Code: 127}, []string{"could not be started", "no such thing", "manager start c"}},
		{monitor.ExitRecord{Cause: monitor.CauseLost, Code: -1}, []string{"nobody saw it end", "killed or crashed", "manager start c"}},
		{monitor.ExitRecord{
			Cause: monitor.CauseLost, Code: -1, FinishedAt: at,
			Stop: &monitor.Stop{By: monitor.StopByKill, Signal: 15, At: at.Add(-2 * time.Second)},
		}, []string{"nobody saw it end", `"manager kill" had sent SIGTERM 2s before`}},
		{monitor.ExitRecord{Cause: monitor.CauseReboot, Code: 255}, []string{"ended with the machine", "manager start c"}},
	} {
		e := end{Name: "c", Timeout: 5, Record: tt.record, Shielded: true}
		if tt.record.Cause == monitor.CauseStartFailed {
			e.Error = "no such thing"
		}
		w := e.explain()
		text := strings.Join(append(append([]string{w.Summary}, w.Details...), w.Next), "\n")
		rest := text
		for _, part := range tt.want {
			i := strings.Index(rest, part)
			if i < 0 {
				t.Errorf("%s: no %q in\n%s", tt.record.Cause, part, text)
				break
			}
			rest = rest[i+len(part):]
		}
		e.Removed = at
		if next := e.explain().Next; strings.Contains(next, "manager ") {
			t.Errorf("%s: of one that is gone, it says %q", tt.record.Cause, next)
		}
	}
}
