package hook

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

func sh(script string) plan.Hook {
	return plan.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

var state = plan.State{Version: "1.3.0", ID: "c", Status: plan.StatusCreating, PID: 7, Bundle: "/b", Annotations: map[string]string{"k": "v"}}

func TestStateArgsEnvAndDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CANARY", "1")
	h := plan.Hook{
		Path: "/bin/sh", Args: []string{"name", "-c", `cat > state; echo "$0 $# $A $CANARY $(env | wc -l)" > args`, "zero", "one"},
		Env: []string{"A=b", "PATH=/usr/bin:/bin"}, Dir: dir,
	}
	if err := RunAll(context.Background(), "prestart", []plan.Hook{h}, state); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	var got plan.State
	if err := json.Unmarshal(b, &got); err != nil || got.PID != 7 || got.Annotations["k"] != "v" || got.Status != "creating" {
		t.Errorf("state %s (%v)", b, err)
	}
	b, err = os.ReadFile(filepath.Join(dir, "args"))
	if f := strings.Fields(string(b)); err != nil || len(f) != 4 || f[0] != "zero" || f[1] != "1" || f[2] != "b" {
		t.Errorf("arguments %q (%v)", b, err)
	}
}

func TestOrderAndFirstFailure(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	hooks := []plan.Hook{sh("echo 1 >> " + log), sh("echo 2 >> " + log + "; echo no way >&2; exit 3"), sh("echo 3 >> " + log)}
	err := RunAll(context.Background(), "createRuntime", hooks, state)
	var e *Error
	if !errors.As(err, &e) || e.Index != 1 || e.Kind != "createRuntime" {
		t.Fatalf("error %v", err)
	}
	if got := err.Error(); got != "hooks.createRuntime[1] /bin/sh: exit status 3: no way" {
		t.Errorf("text %q", got)
	}
	if b, _ := os.ReadFile(log); string(b) != "1\n2\n" {
		t.Errorf("ran %q", b)
	}
	if failed := RunEach(context.Background(), "poststop", hooks, state); len(failed) != 1 {
		t.Errorf("failures %v", failed)
	}
	if b, _ := os.ReadFile(log); string(b) != "1\n2\n1\n2\n3\n" {
		t.Errorf("ran %q", b)
	}
}

func TestTimeoutKillsTheGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	h := sh("sleep 100 & echo $! > " + file + "; echo waiting >&2; wait")
	h.Timeout = 300 * time.Millisecond
	begin := time.Now()
	err := RunAll(context.Background(), "poststart", []plan.Hook{h}, state)
	if !errors.Is(err, errTimeout) || !strings.Contains(err.Error(), "timed out after 300ms") {
		t.Fatalf("error %v", err)
	}
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("took %s", d)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // a killed orphan is gone, or a zombie that nobody has reaped yet
		st, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(st), ") Z ") {
			return
		}
		if i == 1000 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("what the hook started lives on")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestCancelledCallerEndsTheHook(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	file := filepath.Join(t.TempDir(), "x")
	go func() {
		for {
			if _, err := os.Stat(file); err == nil {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	err := RunAll(ctx, "prestart", []plan.Hook{sh("touch " + file + "; sleep 100")}, state)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestHostileHooks(t *testing.T) {
	big := state
	big.Annotations = map[string]string{"x": strings.Repeat("y", 1<<20)}
	for name, c := range map[string]struct {
		hook plan.Hook
		want string
	}{
		"input not read":       {sh("exit 0"), ""},
		"output without end":   {sh("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo last; exit 1"), "last"},
		"holds the pipe open":  {sh("sleep 5 & echo out; exit 4"), "exit status 4: out"},
		"killed by a signal":   {sh("kill -9 $$"), "signal: killed"},
		"program not there":    {plan.Hook{Path: "/nothing"}, "no such file or directory"},
		"not a program":        {plan.Hook{Path: "/etc/passwd"}, "permission denied"},
		"directory not there":  {plan.Hook{Path: "/bin/true", Dir: "/nothing"}, "no such file or directory"},
		"no arguments, no env": {plan.Hook{Path: "/bin/true"}, ""},
	} {
		err := RunAll(context.Background(), "prestart", []plan.Hook{c.hook}, big)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case err != nil && (len(err.Error()) > maxOutput+200 || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
}
