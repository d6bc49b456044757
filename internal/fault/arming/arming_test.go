package arming

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogWhileItGrows reads a log beside its writers, of both kinds: nothing is lost, and nothing comes twice.
func TestLogWhileItGrows(t *testing.T) {
	const lines = 2000
	log := Log{Path: filepath.Join(t.TempDir(), "log")}
	s := &striker{role: Monitor, log: -1}
	f, err := os.OpenFile(log.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s.log = int(f.Fd())
	init := &striker{role: Init, page: page(log.Path)}
	if got := log.Next(); got != "" {
		t.Errorf("before anything: %q", got)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range lines {
			s.note(fmt.Sprint("point ", i))
		}
		init.note("mounted")
	}()
	var got strings.Builder
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got.WriteString(log.Next())
	}
	var want strings.Builder
	for i := range lines {
		fmt.Fprintf(&want, "MONITOR: point %d\n", i)
	}
	text := got.String()
	if !strings.Contains(text, "INIT: mounted\n") || strings.Replace(text, "INIT: mounted\n", "", 1) != want.String() {
		t.Errorf("%d lines, not %d", strings.Count(text, "\n"), lines+1)
	}
}
