package server

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func hookTo(log, name, more string) []specs.Hook {
	return []specs.Hook{{
		Path: "/bin/sh", Args: []string{"sh", "-c", "{ echo " + name + "; cat; echo; grep SigIgn /proc/self/status; } >> " + log + more},
		Env: []string{"PATH=/usr/bin:/bin"},
	}}
}

// The five kinds of a start, in their order; none inherits the signals that the monitor ignores. The sixth is
// run by whoever cleans up.
func TestRealHooks(t *testing.T) {
	f := newReal(t, "sh", "-c", "cat /log > /seen")
	log := f.spec.Root.Path + "/log"
	f.spec.Hooks = &specs.Hooks{
		CreateRuntime: hookTo(log, "createRuntime", ""), CreateContainer: hookTo(log, "createContainer", ""),
		StartContainer: hookTo("/log", "startContainer", ""),
		Poststart:      hookTo(log, "poststart", ""), Poststop: hookTo(log, "poststop", ""),
		//lint:ignore SA1019 it is still in configurations
		Prestart: hookTo(log, "prestart", ""),
	}
	s := f.start()
	if _, err := s.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Done(); err != nil {
		t.Fatal(err)
	}
	if err := s.Abort(context.Background()); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err) // waits until the monitor is gone
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	own, err := exec.Command("grep", "SigIgn", "/proc/self/status").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		switch i % 3 {
		case 0:
			names = append(names, l)
		case 2:
			if more := ignored(t, l) &^ ignored(t, string(own)); more != 0 {
				t.Errorf("%s ignores signals %#x that its caller does not", names[len(names)-1], more)
			}
		}
	}
	if got := strings.Join(names, " "); got != "prestart createRuntime createContainer startContainer poststart" {
		t.Errorf("order %q in\n%s", got, b)
	}
	if !strings.Contains(string(b), `"status":"running"`) {
		t.Errorf("states in\n%s", b)
	}
}

// ignored is the mask of a line of /proc/PID/status: what is ignored where the tests run (make ignores one of
// the C library's signals) is the hooks' too.
func ignored(t *testing.T, line string) uint64 {
	t.Helper()
	_, hex, _ := strings.Cut(line, "SigIgn:")
	mask, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mask
}

// A poststart that fails ends the container.
func TestRealPoststartFails(t *testing.T) {
	f := newReal(t, "sleep", "100")
	f.spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo bad >&2; exit 2"}}}}
	s := f.spawn()
	_, err := s.Start(f.ctx())
	var fail *launch.Failure
	if !errors.As(err, &fail) || fail.Stage != launch.StageHook || !strings.Contains(fail.Detail, "hooks.poststart[0] /bin/sh: exit status 2: bad") {
		t.Fatalf("start: %v", err)
	}
	_ = s.Done()
	_ = s.Abort(context.Background())
}
