package libcontainer_test

import (
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

// TestIgnoredSignalsAreNotInherited starts a container as a shell's background job does.
func TestIgnoredSignalsAreNotInherited(t *testing.T) {
	signal.Ignore(unix.SIGINT, unix.SIGQUIT, unix.SIGHUP)
	defer signal.Reset(unix.SIGINT, unix.SIGQUIT, unix.SIGHUP)
	out, code := run(t, testSpec(testRoot(t), "grep", "SigIgn", "/proc/self/status"))
	if code != 0 || out != "SigIgn:\t0000000000000000" {
		t.Errorf("output %q, code %d", out, code)
	}
}
