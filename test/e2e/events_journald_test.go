package e2e

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// Who follows the journal sees what happens from now on, as soon as it happens, and nothing from before; an interrupt, or the
// time that was given, ends it without an error.
func TestEventsJournald(t *testing.T) {
	testenv.Need(t, testenv.Unified, testenv.Systemd)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	create := func(name string) {
		t.Helper()
		m.MustRun(t, "--events-backend", "journald", "create", "--name", name, "--network", "none", "busybox", "true")
		m.MustRun(t, "--events-backend", "journald", "rm", name)
	}
	create("before")
	ctx, cancel := context.WithTimeout(t.Context(), unitWait)
	defer cancel()
	cmd := m.Command(ctx, "--events-backend", "journald", "events", "--filter", "type=container", "--format", "{{.Status}} {{.Name}}")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1000)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said <- lines.Text()
		}
		close(said)
	}()
	first := ""
	for n := 1; first == ""; n++ { // until it listens
		create(fmt.Sprint("now", n))
		select {
		case first = <-said:
		case <-time.After(time.Second):
		case <-ctx.Done():
			t.Fatal("nothing was followed")
		}
	}
	if !strings.HasPrefix(first, "create now") {
		t.Errorf("first comes %q", first)
	}
	create("last")
	for line := range said {
		if line == "remove last" {
			break
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for line := range said {
		t.Errorf("then comes %q", line)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	// Until a time that is to come, from the beginning.
	until := m.MustRun(t, "--events-backend", "journald", "events", "--until", "2s", "--filter", "container=before", "--format", "{{.Status}} {{.Name}}")
	if until != "create before\nremove before" {
		t.Errorf("until then: %q", until)
	}
}
