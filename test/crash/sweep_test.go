package crash

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/fault/arming"
)

// killed is a command that is killed, or meets a full disk, at each of its points in turn.
type killed struct {
	name string
	// prepare is done once, before all; it may change the command. nil for nothing.
	prepare func(m *manager, k *killed)
	// setup makes what the command needs.
	setup func(m *manager)
	args  []string
	// then is what the user does next, with no repair in between; nil for only what all do.
	then func(m *manager)
	// objects says that it is about images or volumes: then needs no container.
	objects bool
}

var sleeper = []string{"run", "-d", "--name", "x", "--network", "none", busybox, "sleep", "1000"}

func running(m *manager) { m.must(sleeper...) }

func exited(m *manager) {
	m.must("run", "--name", "x", "--network", "none", busybox, "true")
}

// unseen has ended without its monitor.
func unseen(m *manager) {
	running(m)
	m.endUnseen()
}

// lost has ended, and so has its monitor before, so that nobody knows how.
func lost(m *manager) {
	running(m)
	pid, monitor := m.pid("Pid"), m.pid("ConmonPid")
	m.kill9(monitor)
	m.kill9(pid)
}

func created(m *manager) {
	m.must("create", "--name", "x", "--network", "none", busybox, "sleep", "1000")
}

// again repeats a command that is then to succeed, and wants a state.
func again(status string, args ...string) func(m *manager) {
	return func(m *manager) {
		m.t.Helper()
		m.must(args...)
		if got := m.statuses()["x"]; got != status {
			m.t.Errorf("after %q: status %q, want %q", args, got, status)
		}
	}
}

var sweep = []killed{
	{name: "run-detached", args: sleeper},
	{name: "run-network", args: []string{"run", "-d", "--name", "x", "--network", "builtin", "-p", "127.0.0.1::80", busybox, "sleep", "1000"}},
	{name: "run-slirp4netns", args: []string{"run", "-d", "--name", "x", "--network", "slirp4netns", "-p", "127.0.0.1::80", busybox, "sleep", "1000"}},
	{name: "run-pasta", args: []string{"run", "-d", "--name", "x", "--network", "pasta", "-p", "127.0.0.1::80", busybox, "sleep", "1000"}},
	{name: "run-pasta-attached", args: []string{"run", "--name", "x", "--network", "pasta", busybox, "sleep", "0.1"}},
	{name: "rm-network", setup: func(m *manager) {
		m.must("run", "-d", "--name", "x", "--network", "builtin", "-p", "127.0.0.1::80", busybox, "sleep", "1000")
	}, args: []string{"rm", "--force", "--time", "0", "x"}},
	{name: "run-remove", args: []string{"run", "--rm", "--name", "x", "--network", "none", busybox, "true"}},
	{name: "run-attached", args: []string{
		"run", "--name", "x", "--network", "none", "--ipc", "shareable", "-v", "/anonymous", "-v", "named:/named",
		"--mount", "type=image,source=" + busybox + ",destination=/image", busybox, "sh", "-c", "exit 3",
	}},
	{name: "run-replace", setup: func(m *manager) {
		m.must("run", "-d", "--name", "x", "--stop-timeout", "0", "--network", "none", busybox, "sleep", "1000")
	}, args: []string{"run", "-d", "--replace", "--stop-timeout", "0", "--name", "x", "--network", "none", busybox, "sleep", "1000"}},
	{name: "create", args: []string{"create", "--name", "x", "--network", "none", busybox, "true"}},
	{name: "create-mapped", args: []string{"create", "--name", "x", "--network", "none", "--uidmap", "0:100000:65536", busybox, "true"}},
	{name: "create-shared", prepare: func(m *manager, k *killed) {
		m.Env = append(m.Env, "_CONTAINERS_OVERLAY_DISABLE_IDMAP=yes")
		haveOther(m, k)
	}, setup: loadOther, args: []string{"create", "--name", "x", "--network", "none", "--uidmap", "0:100000:65536", other, "true"}, then: func(m *manager) {
		m.must("create", "--quiet", "--name", "y", "--network", "none", "--uidmap", "0:100000:65536", other, "true")
		m.must("rm", "--force", "--ignore", "x", "y")
		m.must("rmi", other)
	}},
	{name: "start", setup: created, args: []string{"start", "x"}, then: again("running", "start", "x")},
	{name: "start-again", setup: exited, args: []string{"start", "--attach", "x"}, then: again("exited", "start", "--attach", "x")},
	{name: "stop", setup: running, args: []string{"stop", "--time", "0", "x"}, then: again("exited", "stop", "--time", "0", "x")},
	{name: "kill", setup: running, args: []string{"kill", "x"}, then: func(m *manager) { m.must("stop", "--time", "0", "x") }},
	{name: "restart", setup: running, args: []string{"restart", "--time", "0", "x"}, then: again("running", "restart", "--time", "0", "x")},
	{name: "pause", setup: running, args: []string{"pause", "x"}, then: again("exited", "stop", "--time", "0", "x")},
	{name: "unpause", setup: func(m *manager) { running(m); m.must("pause", "x") }, args: []string{"unpause", "x"}, then: again("exited", "stop", "--time", "0", "x")},
	{name: "rm", setup: exited, args: []string{"rm", "x"}},
	{name: "rm-force", setup: running, args: []string{"rm", "--force", "--time", "0", "x"}},
	{name: "prune", setup: exited, args: []string{"container", "prune", "--force"}},
	{name: "rename", setup: running, args: []string{"rename", "x", "y"}, then: func(m *manager) {
		s := m.statuses()
		if len(s) != 1 || s["x"]+s["y"] != "running" {
			m.t.Errorf("after a killed rename: %v", s)
		}
		m.must("rm", "--force", "--ignore", "--time", "0", "y")
	}},
	{name: "exec-detached", setup: running, args: []string{"exec", "-d", "x", "sleep", "1000"}, then: func(m *manager) { m.must("exec", "-d", "x", "sleep", "1000") }},
	{name: "exec", setup: running, args: []string{"exec", "x", "true"}, then: func(m *manager) { m.must("exec", "x", "true") }},
	{name: "load", objects: true, prepare: haveOther, args: []string{"load", "--quiet", "--input", "other.tar"}, then: otherAgain(other, loadOther)},
	{name: "pull", objects: true, prepare: func(m *manager, k *killed) {
		haveOther(m, k)
		args, name := pulling(m)
		k.args, k.then = args, otherAgain(name, func(m *manager) { m.must(args...) })
	}},
	{name: "rmi", objects: true, prepare: haveOther, setup: loadOther, args: []string{"rmi", other}, then: otherAgain(other, loadOther)},
	{name: "tag", objects: true, args: []string{"tag", busybox, "localhost/tagged"}, then: func(m *manager) {
		m.must("tag", busybox, "localhost/tagged")
		m.must("untag", busybox, "localhost/tagged")
	}},
	{name: "untag", objects: true, setup: func(m *manager) { m.must("tag", busybox, "localhost/tagged") }, args: []string{"untag", busybox, "localhost/tagged"}, then: func(m *manager) {
		m.must("tag", busybox, "localhost/tagged")
		m.must("rmi", "localhost/tagged")
	}},
	{name: "save", objects: true, prepare: haveOther, setup: loadOther, args: []string{"save", "--quiet", "--output", "out.tar", other}, then: savedAgain},
	{name: "import", objects: true, prepare: haveOther, args: []string{"import", "--quiet", "tree.tar", "localhost/imported"}, then: otherAgain("localhost/imported", func(m *manager) {
		m.with(nil, "rmi", "--ignore", "localhost/imported") // each import is an image of its own
		m.must("import", "--quiet", "tree.tar", "localhost/imported")
	})},
	{name: "volume-create", objects: true, args: []string{"volume", "create", "--ignore", "v"}, then: volumeAnew},
	{name: "volume-rm", objects: true, setup: func(m *manager) {
		m.must("run", "--rm", "--network", "none", "-v", "v:/v", busybox, "touch", "/v/file")
	}, args: []string{"volume", "rm", "v"}, then: volumeAnew},
	{name: "wait", setup: lost, args: []string{"wait", "x"}, then: func(m *manager) {
		if got := m.must("wait", "x"); got != "-1" {
			m.t.Errorf("after a killed wait: %s", got)
		}
	}},
	{name: "cleanup", setup: unseen, args: []string{"container", "cleanup", "x"}, then: func(m *manager) {
		if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "x"); got != "exited 137" {
			m.t.Errorf("after a killed clean-up: %s", got)
		}
	}},
}

// volumeAnew uses the name of a volume whose making or removal was killed, and wants a whole one.
func volumeAnew(m *manager) {
	m.must("run", "--rm", "--network", "none", "-v", "v:/v", busybox, "touch", "/v/other")
	m.must("volume", "rm", "v")
	m.must("volume", "create", "v")
	m.must("volume", "rm", "v")
	m.must("volume", "prune", "--force")
	if left, _ := filepath.Glob(filepath.Join(m.Root, "volumes/*")); len(left) > 0 {
		m.t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(m.Root, "volumes/.*")); len(left) > 0 {
		m.t.Errorf("left behind: %v", left)
	}
}

// TestKilledAtEachPoint kills a command at every moment at which it has changed something,
// and then uses the program as if nothing had happened.
func TestKilledAtEachPoint(t *testing.T) {
	for _, k := range sweep {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			if k.prepare != nil {
				k.prepare(m, &k)
			}
			n := 1
			for ; k.once(m, n); n++ {
				if t.Failed() {
					return
				}
			}
			if n < 2 {
				t.Error("it was never killed")
			}
			count("client killed", n-1)
			t.Logf("killed at %d points", n-1)
		})
	}
}

// once kills the command at its nth point. False says that it has no more.
func (k *killed) once(m *manager, n int) bool {
	m.t.Helper()
	if k.setup != nil {
		k.setup(m)
	}
	r := m.with([]string{arming.Word(arming.Client, fmt.Sprintf("at=%d", n))}, k.args...)
	when := m.struck()
	if !r.killed && r.Code != 0 && r.Code != 3 {
		m.t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	m.sane(when)
	if k.then != nil {
		k.then(m)
	}
	m.reuse(when)
	if m.t.Failed() {
		m.t.Logf("this was point %d, %s", n, when)
	}
	return r.killed
}

// sane checks that ps tells something sensible, and that what it tells is true.
func (m *manager) sane(when string) {
	m.t.Helper()
	var wrong string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		wrong = ""
		for name, status := range m.statuses() {
			switch status {
			case "created", "exited", "paused":
			case "running":
				// A container whose program was never let go dies a moment after its starter.
				if r := m.with(nil, "exec", name, "true"); r.Code != 0 {
					wrong = name + " is running, but " + r.Stderr
				}
			default:
				// "removing" while the monitor's clean-up does it.
				wrong = name + " is " + status
			}
		}
		if wrong == "" {
			return
		}
	}
	m.t.Errorf("%s: %s", when, wrong)
}

// reuse uses the name again, after a removal if the container is there, and wants nothing left.
func (m *manager) reuse(when string) {
	m.t.Helper()
	if _, there := m.statuses()["x"]; there {
		m.must("rm", "--force", "--volumes", "--time", "0", "x")
	}
	m.must("run", "--rm", "--name", "x", "--network", "none", busybox, "true")
	m.empty(when)
	if left := m.must("volume", "ls", "--quiet", "--filter", "anonymous=true"); left != "" {
		m.t.Errorf("%s: left behind: volume %s", when, left)
	}
}
