package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Wait waits until the container has ended and returns its exit record: from the monitor
// while there is one, else from the file. The class is ErrNotFound when no monitor runs and it
// left no record: it was killed, or never started.
func Wait(ctx context.Context, runDir string) (ExitRecord, error) {
	for {
		e, err := waitSocket(ctx, runDir)
		if err == nil || ctx.Err() != nil {
			return e, errors.Join(ctx.Err(), err)
		}
		// The lock before the file: a monitor writes the record first and lets go after.
		alive, err := Alive(runDir)
		if err != nil {
			return ExitRecord{}, err
		}
		if !alive {
			return ReadExit(runDir)
		}
		// It is between taking its lock and listening, or between its last answer and its end.
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ExitRecord{}, ctx.Err()
		}
	}
}

func waitSocket(ctx context.Context, runDir string) (ExitRecord, error) {
	c, err := dial(runDir)
	if err != nil {
		return ExitRecord{}, err
	}
	defer func() { _ = c.close() }()
	defer context.AfterFunc(ctx, func() { _ = c.close() })()
	if err := c.send(KindWait, nil); err != nil {
		return ExitRecord{}, err
	}
	buf := make([]byte, MaxPacket)
	for {
		k, p, err := c.recv(buf)
		if err != nil {
			return ExitRecord{}, err
		}
		if k != KindExit {
			continue
		}
		var e ExitRecord
		if err := json.Unmarshal(p, &e); err != nil {
			return ExitRecord{}, errdefs.New(errdefs.ErrCorrupt, "monitor record", runDir, "%w", err)
		}
		return e, nil
	}
}
