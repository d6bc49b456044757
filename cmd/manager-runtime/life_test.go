package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

var sleeper = []string{"sleep", "1000"}

// create makes a container in the status created.
func create(t *testing.T, o *testenv.OCI, id string, args []string, change ...func(*specs.Spec)) {
	t.Helper()
	o.Must(t, "create", "--bundle", o.Bundle(t, id, args, change...), id)
}

// start makes a running container.
func start(t *testing.T, o *testenv.OCI, id string, change ...func(*specs.Spec)) {
	t.Helper()
	create(t, o, id, sleeper, change...)
	o.Must(t, "start", id)
}

func TestLife(t *testing.T) {
	o := newRuntime(t)
	create(t, o, "c", []string{"sh", "-c", "echo begun; exec sleep 1000"})
	s := o.State(t, "c")
	pid := int(s["pid"].(float64))
	if s["status"] != "created" || s["id"] != "c" || s["ociVersion"] != "1.0.2" || s["bundle"] != filepath.Join(o.Dir, "bundles/c") || s["rootfs"] != o.Rootfs {
		t.Errorf("state after create: %v", s)
	}
	if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(b), "sleep") {
		t.Errorf("the program runs before start: %q", b)
	}
	o.Must(t, "start", "c")
	o.Await(t, "c", "running")
	if got := int(o.State(t, "c")["pid"].(float64)); got != pid {
		t.Errorf("the pid changed from %d to %d", pid, got)
	}
	o.Refused(t, 1, "cannot start an already running container", "start", "c")
	o.Refused(t, 1, "cannot delete container c that is not stopped", "delete", "c")
	o.Refused(t, 1, "container with given ID already exists", "create", "--bundle", filepath.Join(o.Dir, "bundles/c"), "c")
	o.Must(t, "kill", "c", "KILL")
	o.Await(t, "c", "stopped")
	if s := o.State(t, "c"); s["pid"] != 0.0 {
		t.Errorf("pid %v of a stopped container", s["pid"])
	}
	o.Refused(t, 1, "cannot start a container that has stopped", "start", "c")
	o.Refused(t, 1, "container not running", "kill", "c", "TERM")
	o.Must(t, "kill", "--all", "c", "9")
	o.Must(t, "delete", "c")
	for _, verb := range []string{"state", "start", "kill", "delete", "pause", "resume", "ps", "update"} {
		o.Refused(t, 1, "does not exist", verb, "c")
	}
	o.Refused(t, 255, "does not exist", "exec", "c", "true")
	o.Must(t, "delete", "--force", "c")
}

func TestDeleteOfCreated(t *testing.T) {
	o := newRuntime(t)
	create(t, o, "c", sleeper)
	o.Must(t, "delete", "c")
	create(t, o, "c", sleeper) // the id may be used again
	o.Must(t, "delete", "--force", "c")
}

func TestKilledInitCannotBeStarted(t *testing.T) {
	o := newRuntime(t)
	create(t, o, "c", sleeper)
	o.Must(t, "kill", "c", "SIGKILL")
	o.Await(t, "c", "stopped")
	o.Refused(t, 1, "cannot start a container that has stopped", "start", "c")
}

// TestOneStarterWins starts a container many times at once.
func TestOneStarterWins(t *testing.T) {
	o := newRuntime(t)
	create(t, o, "c", []string{"sh", "-c", "echo x >>/tmp/started; exec sleep 1000"})
	const starters = 8
	results := make([]testenv.Result, starters)
	var all sync.WaitGroup
	for i := range starters {
		all.Go(func() { results[i] = o.Run(t, "start", "c") })
	}
	all.Wait()
	won := 0
	for _, r := range results {
		switch {
		case r.Code == 0:
			won++
		case !strings.Contains(r.Stderr, "cannot start an already running container"):
			t.Errorf("a loser said %q", r.Stderr)
		}
	}
	if b, err := os.ReadFile(filepath.Join(o.Rootfs, "tmp/started")); won != 1 || string(b) != "x\n" {
		t.Errorf("%d starters won, the program wrote %q, %v", won, b, err)
	}
}

func TestRunExits(t *testing.T) {
	o := newRuntime(t)
	for script, want := range map[string]int{
		"exit 0": 0, "exit 3": 3, "kill -9 $$": 0, // process 1 cannot kill itself
	} {
		r := o.Run(t, "run", "--bundle", o.Bundle(t, "c", []string{"sh", "-c", "echo out; echo err >&2; " + script}), "c")
		if r.Code != want || r.Stdout != "out\n" || r.Stderr != "err\n" {
			t.Errorf("%s: %+v", script, r)
		}
	}
	shared := func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[1:] }
	if r := o.Run(t, "run", "--bundle", o.Bundle(t, "c", []string{"sh", "-c", "kill -9 $$"}, shared), "c"); r.Code != 137 {
		t.Errorf("killed: %+v", r)
	}
	o.Must(t, "run", "--keep", "--bundle", o.Bundle(t, "k", []string{"true"}), "k")
	if s := o.State(t, "k"); s["status"] != "stopped" {
		t.Errorf("kept: %v", s)
	}
	o.Must(t, "delete", "k")
	o.Must(t, "run", "--detach", "--bundle", o.Bundle(t, "d", sleeper), "d")
	o.Await(t, "d", "running")
}

// TestBundleIsReadOnce edits the configuration between create and start.
func TestBundleIsReadOnce(t *testing.T) {
	o := newRuntime(t)
	create(t, o, "c", sleeper)
	o.Bundle(t, "c", []string{"false"})
	o.Must(t, "start", "c")
	if got := o.Must(t, "exec", "c", "cat", "/proc/1/cmdline"); got != "sleep\x001000\x00" {
		t.Errorf("the program is %q", got)
	}
}

func TestList(t *testing.T) {
	o := newRuntime(t)
	o.Refused(t, 1, "no such file", "list")
	start(t, o, "b")
	create(t, o, "a", sleeper)
	if got := o.Must(t, "list", "--quiet"); got != "a\nb" {
		t.Errorf("ids %q", got)
	}
	table := lines(o.Must(t, "list"))
	if len(table) != 3 || !strings.HasPrefix(table[0], "ID ") || strings.Join(strings.Fields(table[0]), " ") != "ID PID STATUS BUNDLE CREATED OWNER" {
		t.Errorf("table %q", table)
	}
	var list []struct {
		ID, Status, Owner string
		PID               int
	}
	if err := json.Unmarshal([]byte(o.Must(t, "list", "-f", "json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].ID != "a" || list[0].Status != "created" || list[1].Status != "running" || list[1].Owner != "root" || list[1].PID == 0 {
		t.Errorf("list %+v", list)
	}
	o.Refused(t, 1, "want table or json", "list", "--format", "yaml")
	o.Must(t, "delete", "--force", "--regex", "^[ab]$")
	if got := o.Must(t, "list", "--format=json"); got != "[]" {
		t.Errorf("after all were deleted: %s", got)
	}
}

func TestBadIDs(t *testing.T) {
	o := newRuntime(t)
	bundle := o.Bundle(t, "c", sleeper)
	for _, id := range []string{"", ".", "..", "a/b", "../c", "a b", "ä", "a\nb", strings.Repeat("x", 256), "a:b", "$x"} {
		o.Refused(t, 1, "invalid container ID format", "create", "--bundle", bundle, id)
		o.Refused(t, 1, "invalid container ID format", "run", "--bundle", bundle, "--", id)
		o.Refused(t, 1, "invalid container ID format", "state", "--", id)
	}
	for _, id := range []string{"a", "A-9_+.x", "-x", "..x", strings.Repeat("x", 200)} {
		bundle := o.Bundle(t, "c", []string{"true"})
		if r := o.Run(t, "run", "--bundle", bundle, "--", id); r.Code != 0 {
			t.Errorf("id %q: %+v", id, r)
		}
	}
}
