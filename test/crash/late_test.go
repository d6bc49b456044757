package crash

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/fault/arming"
	"github.com/manager-project/manager/internal/testenv"
)

// late is who is to clean up after a container, and is stopped before it has begun.
type late struct {
	// run makes the container x, in whose environment the word arms whoever cleans up.
	run  []string
	role arming.Role
	// at is where it stops, words what its command line has.
	at, words string
}

// TestLateCleanUp stops whoever cleans up after a container's end, starts the container again, and lets it go on: that
// start is not its to end, nor to clean up, nor to do once more.
func TestLateCleanUp(t *testing.T) {
	ends := []string{busybox, "sh", "-c", "echo up; exec sleep 1000"}
	for name, l := range map[string]late{
		"monitor": {[]string{"run", "-d"}, arming.Cleanup, "clean-up: due", "cleanup"},
		"client":  {[]string{"run"}, arming.Client, "run: ended", " run "},
		"restart": {[]string{"run", "-d", "--restart", "on-failure"}, arming.Cleanup, "restart: due", "--restart"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			client := m.Command(ctx, slices.Concat(l.run, []string{"--name", "x", "--network", "none"}, ends)...)
			client.Env = append(slices.Clone(m.Env), userWord, m.log.Word(), arming.Word(l.role, "stop="+l.at))
			var said bytes.Buffer
			client.Stderr = &said
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			m.eventually("it runs", 20*time.Second, func() bool { return m.Run("logs", "x").Stdout == "up\n" })
			m.kill9(m.pid("Pid"))
			when := ""
			m.eventually("who cleans up stands still", 20*time.Second, func() bool { when += m.struck(); return when != "" })
			all := m.processes()
			m.must("start", "x")
			m.eventually("it runs again", 20*time.Second, func() bool { return m.must("logs", "x") == "up\nup" })
			before := m.must("inspect", "--format", "{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}", "x")
			stopped := slices.DeleteFunc(all, func(p testenv.Process) bool { return !strings.Contains(p.Command, l.words) })
			if len(stopped) != 1 {
				t.Fatalf("at %q there are %v", when, all)
			}
			if err := syscall.Kill(stopped[0].PID, syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			m.eventually("it has gone on to its end", 20*time.Second, func() bool { return !runs(stopped[0].PID) })
			_ = client.Wait()
			if code := client.ProcessState.ExitCode(); l.role == arming.Client && code != 137 {
				t.Errorf("the client ended with %d: %s", code, said.String())
			}
			after := m.must("inspect", "--format", "{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}", "x")
			if after != before || !strings.HasPrefix(after, "running ") {
				t.Errorf("it was %s, and is %s", before, after)
			}
			if got := m.must("exec", "x", "sh", "-c", "echo written >/file; cat /file"); got != "written" {
				t.Errorf("in it: %q", got)
			}
			died := m.must("events", "--stream=false", "--filter", "event=died", "--format", "{{.Name}}")
			if died != "x" {
				t.Errorf("it died as often: %q", died)
			}
			m.must("stop", "--time", "0", "x")
			m.must("rm", "x")
			m.empty("after the late one")
		})
	}
}
