package libpod

import (
	"context"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/monitor"
)

// endingWait is how long a reader waits for the monitor to say how an init that has just
// ended did end. The monitor needs a millisecond or two; one that was killed never answers.
const endingWait = 300 * time.Millisecond

// observe loads a container with its state as the kernel and its monitor tell it: one that
// ended a moment ago has its exit code, though whoever holds the lock has not stored it yet.
// Nothing is locked or stored.
func (r *Runtime) observe(ctx context.Context, id string) (*container, error) {
	for deadline := time.Now().Add(endingWait); ; {
		c, err := r.load(ctx, id)
		if err != nil || c.current() == c.status() {
			return c, err
		}
		s := &c.row.State
		record, err := monitor.ReadExit(r.paths.runDir(id))
		told := err == nil && record.Generation == s.Generation
		if told {
			s.ExitCode, s.Signal, s.OOMKilled, s.Cause, s.FinishedAt = record.Code, record.Signal, record.OOMKilled, record.Cause, record.FinishedAt
		}
		if told || time.Now().After(deadline) {
			now := define.StatusExited
			if told && record.Restart != nil {
				now, s.Restarts = define.StatusRestarting, record.Restart.Count
			}
			s.Status, s.PID = now, 0
			return c, nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}
