package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/fault/arming"
)

// life is what a container goes through while its monitor, its init or the clean-up is killed.
type life struct {
	name string
	// before are commands that are left alone; armed are those whose processes are killed.
	before, armed [][]string
	roles         []arming.Role
	// often is a life that the ordinary run goes through with all its points.
	often bool
}

var (
	both    = []arming.Role{arming.Monitor, arming.Init}
	alone   = []arming.Role{arming.Monitor, arming.Init, arming.Cleanup} // no client is left at the end
	stopNow = []string{"stop", "--time", "0", "x"}
)

var lives = []life{
	{name: "detached", armed: [][]string{sleeper, stopNow}, roles: both, often: true},
	{name: "detached-remove", roles: both, often: true, armed: [][]string{
		{"run", "-d", "--rm", "--name", "x", "--network", "none", "-v", "/anonymous", busybox, "sleep", "1000"}, stopNow,
	}},
	{name: "ends", roles: alone, often: true, armed: [][]string{
		{"run", "-d", "--name", "x", "--network", "none", busybox, "sh", "-c", "echo word; exit 3"}, {"wait", "x"}, {"logs", "x"},
	}},
	{name: "ends-remove", roles: alone, armed: [][]string{
		{"run", "-d", "--rm", "--name", "x", "--network", "none", busybox, "true"}, {"wait", "x"},
	}},
	{name: "attached", roles: both, armed: [][]string{
		{"run", "--name", "x", "--network", "none", busybox, "sh", "-c", "echo word; exit 3"},
	}},
	{name: "attached-remove", roles: both, often: true, armed: [][]string{
		{"run", "--rm", "--name", "x", "--network", "none", busybox, "true"},
	}},
	{name: "pidfile", roles: []arming.Role{arming.Monitor}, armed: [][]string{
		{"run", "-d", "--name", "x", "--network", "none", "--pidfile", "pid", busybox, "true"}, {"wait", "x"},
	}},
	{name: "no-program", roles: both, armed: [][]string{{"run", "-d", "--name", "x", "--network", "none", busybox, "no-such-program"}}},
	{name: "start", roles: both, before: [][]string{{"create", "--name", "x", "--network", "none", busybox, "true"}}, armed: [][]string{
		{"start", "--attach", "x"},
	}},
	{name: "restart", roles: both, armed: [][]string{sleeper, {"restart", "--time", "0", "x"}}},
	{name: "kill", roles: both, armed: [][]string{sleeper, {"kill", "x"}}},
	{name: "pause", roles: both, armed: [][]string{sleeper, {"pause", "x"}, {"unpause", "x"}, stopNow}},
	{name: "rename", roles: both, armed: [][]string{sleeper, {"rename", "x", "y"}, {"rename", "y", "x"}, stopNow}},
	{name: "rm-force", roles: both, armed: [][]string{sleeper, {"rm", "--force", "--time", "0", "x"}}},
	// A process that an attached exec starts is made of its plan and has no points: see pkg/libcontainer/direct.
	{
		name: "exec-detached", roles: both, before: [][]string{sleeper},
		armed: [][]string{{"exec", "-d", "x", "sleep", "1000"}, {"exec", "x", "true"}, stopNow},
	},
}

// TestMonitorInitAndCleanUpKilled kills the processes that a command starts, each at every point that
// it passes, and then uses the program as if nothing had happened.
func TestMonitorInitAndCleanUpKilled(t *testing.T) {
	for _, l := range lives {
		for _, role := range l.roles {
			if every(2) == 2 && !l.often {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", l.name, role), func(t *testing.T) {
				t.Parallel()
				m := newManager(t)
				n := 1
				for ; m.lives(l, role, n) && !t.Failed(); n++ {
					continue
				}
				if n < 2 {
					t.Error("it was never killed")
				}
				count(fmt.Sprintf("%s killed", role), n-1)
				t.Logf("killed at %d points", n-1)
			})
		}
	}
}

// lives goes through a life with the process of a role killed at its nth point. False says that it
// has no more.
func (m *manager) lives(l life, role arming.Role, n int) bool {
	m.t.Helper()
	for _, args := range l.before {
		m.must(args...)
	}
	env := []string{arming.Word(role, fmt.Sprintf("at=%d", n))}
	failed := ""
	for _, args := range l.armed {
		if s := m.statuses()["x"]; args[0] == "wait" && (s == "" || s == "created") {
			continue // it did not come to run
		}
		r := m.with(env, args...)
		if r.killed {
			m.t.Errorf("%q: the command itself was killed", args)
		}
		if r.Code != 0 {
			failed = strings.Join(args, " ") + " failed"
		}
	}
	m.awaitEnd()
	when := m.struck()
	if when == "" && strings.HasPrefix(l.name, "exec") {
		when = failed // a process that begins inside does not see the log
	}
	m.sane(when)
	if slices.Equal(l.armed[len(l.armed)-1], stopNow) {
		if got := m.statuses()["x"]; got == "running" {
			m.t.Errorf("%s: after stop it is %s", when, got)
		}
	}
	m.reuse(when)
	if m.t.Failed() {
		m.t.Logf("this was point %d, %s", n, when)
	}
	return when != ""
}
