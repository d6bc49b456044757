package launch

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHolder looks at the process from outside: it has only its gate open, and goes when told.
func TestHolder(t *testing.T) {
	h, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	dir := filepath.Join("/proc", strconv.Itoa(h.PID))
	// The holder closes descriptors after the fork; its read of the gate says that it has.
	for {
		fds, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			t.Fatal(err)
		}
		if len(fds) == 1 && fds[0].Name() == "0" {
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("descriptors stay open")
		}
	}
	if sid, err := unix.Getsid(h.PID); err != nil || sid != h.PID {
		t.Errorf("session %d, %v", sid, err)
	}
	h.Release()
	h.Release()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the process is still there: %v", err)
	}
}
