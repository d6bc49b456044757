package monitor

import (
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// TestMain is also the process that TestHeldRestart starts.
func TestMain(m *testing.M) {
	if path := os.Getenv("HOLD_RESTART"); path != "" {
		os.Exit(holdRestart(path))
	}
	os.Exit(m.Run())
}

// holdRestart holds a restart until its standard input ends; it fails when the restart stands then.
func holdRestart(path string) int {
	h, err := HoldRestart(path)
	if err != nil {
		return 2
	}
	switch os.Getenv("HOLD_IDLE") {
	case "":
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fallthrough
	default:
		h.Idle()
	}
	_, _ = os.Stdout.WriteString("h")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if h.Idle() {
		return 1
	}
	return 0
}
