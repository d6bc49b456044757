package e2e

import (
	"sync"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// Who waits for a container that is restarted again and again is told the code of an end, never that of a start.
func TestWaitRestarts(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	m.MustRun(t, "run", "-d", "--name", "c", "--network", "none", "--restart", "on-failure:5", "busybox", "sh", "-c", "sleep 0.2; exit 6")
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			for over := false; !over; {
				over = m.Run("inspect", "--format", "{{.State.Status}} {{.RestartCount}}", "c").Stdout == "exited 5\n"
				if r := m.Run("wait", "--interval", "1ms", "c"); r.Code != 0 || r.Stdout != "6\n" {
					t.Errorf("waited for: %+v", r)
				}
			}
		})
	}
	group.Wait()
	m.MustRun(t, "rm", "c")
}
