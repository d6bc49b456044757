package crash

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/fault/arming"
)

// statesPage has the table of what each command does in each state. This test reads it, so it says what is.
const statesPage = "../../docs/states.md"

// stateMakers bring a container called x into a state. What they return ends what they have begun.
var stateMakers = map[string]func(m *manager) func(){
	"created": func(m *manager) func() { created(m); return nil },
	"running": func(m *manager) func() { running(m); return nil },
	"paused":  func(m *manager) func() { running(m); m.must("pause", "x"); return nil },
	"stopping": func(m *manager) func() {
		m.must(append([]string{"run", "-d", "--name", "x", "--network", "none", busybox}, listener...)...)
		stop := m.Command(context.Background(), "stop", "--time", "3600", "x")
		if err := stop.Start(); err != nil {
			m.t.Fatal(err)
		}
		m.eventually("it was asked to stop", 20*time.Second, func() bool { return strings.Contains(m.Run("logs", "x").Stdout, "heard") })
		return func() { _ = stop.Process.Kill(); _ = stop.Wait() }
	},
	"restarting": func(m *manager) func() {
		restarting(m, nil)
		return nil
	},
	"exited": func(m *manager) func() { running(m); m.must("kill", "x"); return nil },
	"removing": func(m *manager) func() {
		exited(m)
		r := m.with([]string{arming.Word(arming.Client, "on=layer: removed")}, "rm", "x")
		if !r.killed {
			m.t.Fatalf("rm was not killed: %s", r.Stderr)
		}
		return nil
	},
}

// restarting makes a container that waits half a minute for its second restart.
func restarting(m *manager, env []string, args ...string) {
	m.t.Helper()
	args = append([]string{"run", "-d", "--name", "x", "--network", "none", "--restart", "always"}, args...)
	if r := m.with(env, append(args, busybox, "sh", "-c", "echo up; exec sleep 1000")...); r.Code != 0 {
		m.t.Fatal(r.Stderr)
	}
	m.backOff(30 * time.Second)
	m.kill9(m.pid("Pid")) // the restart that follows knows of the long back-off
	m.eventually("its program was restarted", 20*time.Second, func() bool { return m.must("logs", "x") == "up\nup" })
	m.kill9(m.pid("Pid"))
	m.eventually("it waits", 20*time.Second, func() bool { return m.statuses()["x"] == "restarting" })
}

// backOff makes the container's last back-off as long as that, as if it had failed often.
func (m *manager) backOff(d time.Duration) {
	m.t.Helper()
	db := open(m.t, filepath.Join(m.Root, "manager/state.db"))
	if _, err := db.Exec("UPDATE container SET restart_wait=? WHERE name='x'", int64(d)); err != nil {
		m.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		m.t.Fatal(err)
	}
}

// verbs are the commands of the table's rows.
var verbs = map[string][]string{
	"start":                {"start", "x"},
	"start --attach":       {"start", "--attach", "x"},
	"stop":                 {"stop", "--time", "0", "x"},
	"restart":              {"restart", "--time", "0", "x"},
	"kill":                 {"kill", "x"},
	"kill -s USR1":         {"kill", "-s", "USR1", "x"},
	"pause":                {"pause", "x"},
	"unpause":              {"unpause", "x"},
	"exec":                 {"exec", "x", "true"},
	"attach":               {"attach", "--no-stdin", "x"},
	"wait":                 {"wait", "x"},
	"rename":               {"rename", "x", "y"},
	"update":               {"update", "--restart", "no", "x"},
	"top":                  {"top", "x"},
	"logs":                 {"logs", "x"},
	"inspect":              {"inspect", "x"},
	"container checkpoint": {"container", "checkpoint", "x"},
	"container cleanup":    {"container", "cleanup", "x"},
	"rm":                   {"rm", "x"},
	"rm --force":           {"rm", "--force", "--time", "0", "x"},
}

// table reads the page: the states, the verbs in its order, and the cell of each verb and state.
func table(t *testing.T) (states, rows []string, cells map[string]map[string]string) {
	t.Helper()
	text, err := os.ReadFile(statesPage)
	if err != nil {
		t.Fatal(err)
	}
	cells = map[string]map[string]string{}
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range columns {
			columns[i] = strings.Trim(strings.TrimSpace(columns[i]), "`")
		}
		switch {
		case !strings.HasPrefix(line, "|"), strings.HasPrefix(columns[0], "---"):
		case columns[0] == "command":
			states = columns[1:]
		case len(columns) != len(states)+1:
			t.Fatalf("%s: %q has %d columns", statesPage, columns[0], len(columns))
		default:
			rows = append(rows, columns[0])
			cells[columns[0]] = map[string]string{}
			for i, s := range states {
				cells[columns[0]][s] = columns[i+1]
			}
		}
	}
	for name := range verbs {
		if cells[name] == nil {
			t.Errorf("%s has no row %q", statesPage, name)
		}
	}
	for name := range stateMakers {
		if !slices.Contains(states, name) {
			t.Errorf("%s has no column %q", statesPage, name)
		}
	}
	return states, rows, cells
}

// TestEveryVerbInEveryState does what the page says, and compares: the exit code, whether the command waits for the
// container's end, and the state after it.
func TestEveryVerbInEveryState(t *testing.T) {
	states, rows, cells := table(t)
	for _, state := range states {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			if stateMakers[state] == nil {
				t.Fatal("nothing makes this state")
			}
			m := newManager(t)
			undo, there := func() {}, false
			for _, verb := range rows {
				if verbs[verb] == nil {
					t.Errorf("nothing does %q", verb)
					continue
				}
				if !there {
					if undo = stateMakers[state](m); undo == nil {
						undo = func() {}
					}
				}
				want := cells[verb][state]
				if verb == "container checkpoint" && want != "125" && exec.Command("criu", "check").Run() != nil {
					continue // where it cannot work
				}
				got := m.cell(verb, state, strings.HasPrefix(want, "waits"))
				if got != want {
					t.Errorf("%s: is %q, the page says %q", verb, got, want)
				}
				there = !strings.Contains(got, " ")
				if !there {
					m.must("rm", "--force", "--ignore", "--time", "0", "x", "y")
					undo()
				}
			}
			m.must("rm", "--force", "--ignore", "--time", "0", "x")
			undo()
			m.empty(state)
		})
	}
}

// cell does a command to the container and tells as the page does how it went: the exit code, and the state if it is
// another one now, "gone" for none. A command that waits is given the end of the container when it has had time to look.
func (m *manager) cell(verb, state string, waits bool) string {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := m.Command(ctx, verbs[verb]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	cell := ""
	if waits {
		cell = "waits, "
		select {
		case <-done:
			return "ends at once: " + said.String()
		case <-time.After(300 * time.Millisecond): // one that does not wait ends here at the latest on an idle machine
		}
		if state == "created" && verb == "wait" {
			m.must("start", "x")
		}
		m.eventually("there is something to end", 20*time.Second, func() bool { return m.Run("kill", "x").Code == 0 })
	}
	<-done
	if ctx.Err() != nil {
		m.t.Fatalf("%s in state %s hangs: %s", verb, state, said.String())
	}
	code := cmd.ProcessState.ExitCode()
	if code != 0 {
		m.t.Logf("%s: %s", verb, strings.TrimSpace(said.String()))
	}
	cell += fmt.Sprint(code)
	name := "x"
	if verb == "rename" && code == 0 {
		m.must("rename", "y", "x")
	}
	after, there := m.statuses()[name]
	if !there {
		after = "gone"
	}
	if after != state {
		cell += " " + after
	}
	return cell
}
