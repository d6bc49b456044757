package crash

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/fault/arming"
)

// TestLogOnFullDisk fills the disk of the store, which has the logs, the events and the state: a container that writes
// goes on to its end, and inspect says how much of it is in no log, while it runs, after its end and not of the next start.
func TestLogOnFullDisk(t *testing.T) {
	t.Parallel()
	m, ballast := onDisk(t, disks[0])
	lost := func() int {
		n, _ := strconv.Atoi(m.must("inspect", "--format", "{{.State.LogLostBytes}}", "x"))
		return n
	}
	m.must("run", "-d", "--name", "x", "--network", "none", "-v", m.TmpDir+":/word", busybox, "sh", "-c",
		"echo up; until [ -e /word/write ]; do sleep 0.05; done; seq 50000; until [ -e /word/end ]; do sleep 0.05; done; exit 7")
	m.eventually("it runs", 20*time.Second, func() bool { return m.must("logs", "x") == "up" })
	if got := m.must("inspect", "--format", "{{.State.LogLostBytes}} {{.State.LogLostError}}", "x"); got != "0" {
		t.Errorf("before: %q", got)
	}
	say := func(word string) {
		if err := os.WriteFile(m.TmpDir+"/"+word, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	arming.Fill(ballast)
	say("write")
	const all = 288894 // what seq 50000 writes
	kept := func() int { return len(m.must("logs", "x")) - len("up\n") }
	// Of the record that was written in part, a reader sees what it can.
	accounted := func() bool { n := all - lost() - kept(); return n >= -1 && n <= len("50000\n") }
	m.eventually("what is lost is counted while it runs", 20*time.Second, accounted)
	if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.LogLostError}}", "x"); got != "running no space left on device" {
		t.Errorf("it is %s", got)
	}
	say("end")
	if got := m.must("wait", "x"); got != "7" {
		t.Errorf("it ended with %s", got)
	}
	m.awaitEnd()
	if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "x"); got != "exited 7" || !accounted() || lost() < all/2 {
		t.Errorf("it is %s, %d bytes lost, %d kept", got, lost(), kept())
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	m.must("start", "x")
	if n := lost(); n != 0 {
		t.Errorf("of the next start %d bytes are lost", n)
	}
	m.must("rm", "--force", "--time", "0", "x")
	m.empty("after the loss")
}

// TestLogLossEvent has the log on a full disk of its own: one event tells, however many lines are lost.
func TestLogLossEvent(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must("run", "--name", "x", "--network", "none", "--log-opt", "path=/dev/full", busybox, "seq", "20000")
	events := m.must("events", "--stream=false", "--filter", "event=log_lost", "--format", "{{.Name}} {{.Error}}")
	if events != "x no space left on device" {
		t.Errorf("events: %q", events)
	}
	if got := m.must("inspect", "--format", "{{.State.LogLostBytes}}", "x"); got != "108894" {
		t.Errorf("%s bytes are lost", got)
	}
	var order []string
	for line := range strings.Lines(m.must("events", "--stream=false", "--format", "{{.Status}}")) {
		order = append(order, strings.TrimSpace(line))
	}
	if text := strings.Join(order, " "); !strings.Contains(text, "start log_lost died") {
		t.Errorf("events: %s", text)
	}
	m.must("rm", "x")
}
