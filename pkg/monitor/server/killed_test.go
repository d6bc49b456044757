package server

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
)

// TestRealKilledMonitor kills the monitor: the container goes on, and everybody learns that it is
// unmonitored.
func TestRealKilledMonitor(t *testing.T) {
	f := newReal(t, "sleep", "60")
	s := f.start()
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(live.MonitorPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Wait(f.ctx()); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("the owner's wait: %v", err)
	}
	f.eventuallyDead()
	time.Sleep(50 * time.Millisecond)
	if start, err := startTime(live.PID); err != nil || start != live.StartTime {
		t.Errorf("the container ended with its monitor: %v", err)
	}
	if _, err := monitor.Wait(f.ctx(), f.dir); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("wait: %v", err)
	}
	if _, err := monitor.Attach(f.ctx(), f.dir, monitor.AttachOptions{Stdout: io.Discard}); !errors.Is(err, errdefs.ErrState) {
		t.Errorf("attach: %v", err)
	}
}
