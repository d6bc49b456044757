package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestExec(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"plain":    {[]string{"c", "echo", "a", "--", "-t"}, "a -- -t"},
		"cwd":      {[]string{"--cwd", "/tmp", "c", "pwd"}, "/tmp"},
		"cwd=":     {[]string{"--cwd=/etc", "c", "pwd"}, "/etc"},
		"env":      {[]string{"-e", "A=1", "--env", "B=2", "--env", "A=3", "c", "sh", "-c", "echo $A$B$HOME"}, "32/root"},
		"user":     {[]string{"--user", "1000:1001", "c", "sh", "-c", "id -u; id -g; id -G"}, "1000\n1001\n1001"},
		"uid":      {[]string{"-u", "7", "c", "sh", "-c", "id -u; id -g"}, "7\n0"},
		"gids":     {[]string{"-u", "7:8", "-g", "9", "--additional-gids", "10", "c", "id", "-G"}, "8 9 10"},
		"caps":     {[]string{"--cap", "CAP_SYS_NICE", "c", "grep", "^Cap", "/proc/self/status"}, "CapInh:\t0000000000000000\nCapPrm:\t00000000008000eb\nCapEff:\t00000000008000eb\nCapBnd:\t00000000008000eb\nCapAmb:\t0000000000000000"},
		"nnp":      {[]string{"--no-new-privs", "c", "grep", "NoNewPrivs", "/proc/self/status"}, "NoNewPrivs:\t1"},
		"same pid": {[]string{"c", "cat", "/proc/1/comm"}, "sleep"},
	} {
		r := o.Run(t, append([]string{"exec"}, c.args...)...)
		if r.Code != 0 || strings.TrimSuffix(r.Stdout, "\n") != c.want || r.Stderr != "" {
			t.Errorf("%s: %+v, want %q", name, r, c.want)
		}
	}
}

func TestExecStatus(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{5, "", []string{"c", "sh", "-c", "exit 5"}},
		{0, "", []string{"c", "sh", "-c", "exit 0"}},
		{137, "", []string{"c", "sh", "-c", "kill -9 $$"}},
		{127, `exec: \"nothing\": executable file not found in $PATH`, []string{"c", "nothing"}},
		{127, "exec /nothing: no such file or directory", []string{"c", "/nothing"}},
		{126, "is a directory", []string{"c", "/tmp"}},
		{126, "permission denied", []string{"c", "/etc/passwd"}},
		{255, "process args cannot be empty", []string{"c"}},
		{255, "is not absolute", []string{"--cwd", "tmp", "c", "true"}},
		{255, "cwd /nothing", []string{"--cwd", "/nothing", "c", "true"}},
		{255, "is out of range", []string{"--user", "4294967296", "c", "true"}},
		{255, "want a number", []string{"--user", "root", "c", "true"}},
		{255, "want a number", []string{"--user", "1:", "c", "true"}},
		{255, "want a number", []string{"--user", "-1", "c", "true"}},
		{255, "want a number", []string{"-g", "0x1", "c", "true"}},
		{255, "no such cgroup", []string{"--cgroup", "nothing", "c", "true"}},
		{255, "cgroup", []string{"--cgroup", "../..", "c", "true"}},
		{255, "flag provided but not defined: --detatch; did you mean --detach?", []string{"--detatch", "c", "true"}},
		{255, "flag needs an argument: --user", []string{"--user"}},
		{255, "cannot use console socket", []string{"--console-socket", "/nowhere", "c", "true"}},
		{255, "cannot allocate tty if runtime will detach", []string{"-d", "-t", "c", "true"}},
		{255, "descriptor 3 is not open", []string{"--preserve-fds", "1", "c", "true"}},
		{255, "want NAME=VALUE", []string{"--env", "X", "c", "true"}},
		{255, "invalid container ID format", []string{"a/b", "true"}},
	} {
		o.Refused(t, c.code, c.words, append([]string{"exec"}, c.args...)...)
	}
	if r := o.Run(t, "exec", "c", "nothing"); strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("more than one line: %q", r.Stderr)
	}
}

func TestExecProcessFile(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	file := filepath.Join(o.Dir, "process.json")
	write := func(p any) {
		t.Helper()
		b, err := json.Marshal(p)
		if err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(specs.Process{Args: []string{"sh", "-c", "id -u; pwd; echo $A; exit 4"}, Cwd: "/tmp", Env: []string{"PATH=/bin", "A=b"}, User: specs.User{UID: 3}})
	if r := o.Run(t, "exec", "--process", file, "c"); r.Code != 4 || r.Stdout != "3\n/tmp\nb\n" {
		t.Errorf("%+v", r)
	}
	o.Refused(t, 255, "give no command", "exec", "-p", file, "c", "true")
	write(map[string]any{"args": "true"})
	o.Refused(t, 255, "args", "exec", "-p", file, "c")
	write(specs.Process{Cwd: "/"})
	o.Refused(t, 255, "process.args", "exec", "-p", file, "c")
	o.Refused(t, 255, "no such file", "exec", "-p", file+"x", "c")
}

// TestExecDetached leaves a process that outlives the command and tells its pid.
func TestExecDetached(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	pidFile := filepath.Join(o.Dir, "pid")
	o.Must(t, "exec", "--detach", "--pid-file", pidFile, "c", "sleep", "999")
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatalf("the pid file has %q", b)
	}
	if line, _ := os.ReadFile("/proc/" + string(b) + "/cmdline"); string(line) != "sleep\x00999\x00" {
		t.Errorf("process %d is %q", pid, line)
	}
	if !strings.Contains(o.Must(t, "ps", "-f", "json", "c"), string(b)) {
		t.Error("ps does not know it")
	}
	o.Refused(t, 127, "executable file not found", "exec", "-d", "--pid-file", pidFile+"2", "c", "nothing")
	if _, err := os.Stat(pidFile + "2"); err == nil {
		t.Error("a pid file of a process that never ran")
	}
}

func TestExecInOtherStates(t *testing.T) {
	o := newRuntime(t)
	create(t, o, "c", sleeper)
	if got := o.Must(t, "exec", "c", "echo", "early"); got != "early" {
		t.Errorf("in a created container: %q", got)
	}
	o.Must(t, "start", "c")
	o.Must(t, "pause", "c")
	o.Refused(t, 255, "cannot exec in a paused container (use --ignore-paused to override)", "exec", "c", "true")
	o.Refused(t, 1, "paused", "start", "c")
	done := make(chan testenv.Result)
	go func() { done <- o.Run(t, "exec", "--ignore-paused", "c", "echo", "thawed") }()
	wait(t, "a second process in the cgroup", func() bool { return strings.Contains(o.Must(t, "ps", "-f", "json", "c"), ",") })
	o.Must(t, "resume", "c")
	if r := <-done; r.Code != 0 || r.Stdout != "thawed\n" {
		t.Errorf("in a paused container: %+v", r)
	}
	o.Must(t, "kill", "c", "9")
	o.Await(t, "c", "stopped")
	o.Refused(t, 255, "cannot exec in a stopped container", "exec", "c", "true")
}

func TestExecInSubCgroup(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	dirs, err := filepath.Glob("/sys/fs/cgroup/*" + o.Cgroup + "/c")
	if err != nil || len(dirs) == 0 {
		t.Skip("no cgroups below /sys/fs/cgroup/CONTROLLER")
	}
	for _, d := range dirs {
		if err := os.Mkdir(filepath.Join(d, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		copyCpuset(t, d)
	}
	out := o.Must(t, "exec", "--cgroup", "sub", "c", "cat", "/proc/self/cgroup")
	for _, line := range lines(out) {
		controllers := strings.SplitN(line, ":", 3)[1]
		if _, err := os.Stat(filepath.Join("/sys/fs/cgroup", controllers)); err != nil && !strings.Contains(controllers, "=") {
			continue // a hierarchy that is mounted nowhere: nobody can enter it
		}
		if !strings.HasSuffix(line, o.Cgroup+"/c/sub") {
			t.Errorf("the process is in %s", line)
		}
	}
	o.Must(t, "delete", "--force", "c") // the sub-cgroups go too
}

// copyCpuset gives a new version 1 cpuset its parent's processors, without which it takes no process.
func copyCpuset(t *testing.T, parent string) {
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		if b, err := os.ReadFile(filepath.Join(parent, f)); err == nil {
			if err := os.WriteFile(filepath.Join(parent, "sub", f), b, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestExecPassesSignals sends a signal to the command in the foreground.
func TestExecPassesSignals(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	for verb, args := range map[string][]string{
		"exec": {"exec", "c"},
		"run":  {"run", "--bundle", o.Bundle(t, "r", []string{"sh", "-c", script}), "r"},
	} {
		if verb == "exec" {
			args = append(args, "sh", "-c", script)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := o.Command(t.Context(), args...)
		cmd.Stdout = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		buf := make([]byte, 16)
		_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
		if n, err := r.Read(buf); err != nil || string(buf[:n]) != "ready\n" {
			t.Fatalf("%s: %q, %v", verb, buf[:n], err)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
			t.Errorf("%s: %v", verb, err)
		}
		_ = r.Close()
	}
}

// script waits for an interrupt and says so with its exit code.
const script = `trap "exit 7" INT; echo ready; while :; do sleep 0.05; done`

// TestTimerSlack: a program's timers are as late as its caller's, whatever this program's own are.
func TestTimerSlack(t *testing.T) {
	o := newRuntime(t)
	const want = "71234"
	show := []string{"cat", "/proc/self/timerslack_ns"}
	for way, change := range map[string]func(*specs.Spec){"image": func(*specs.Spec) {}, "small program": byTheSmallProgram} {
		bundle := o.Bundle(t, "c", show, change)
		live := o.Bundle(t, "live", sleeper, change)
		o.Must(t, "run", "--detach", "--bundle", live, "live")
		for _, args := range [][]string{{"run", "--bundle", bundle, "c"}, append([]string{"exec", "live"}, show...)} {
			out := make(chan testenv.Result)
			go func() {
				runtime.LockOSThread() // and never unlocked: the thread dies
				_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 71234, 0, 0, 0)
				out <- o.Run(t, args...)
			}()
			if r := <-out; strings.TrimSpace(r.Stdout) != want {
				t.Errorf("%s, %s: %+v", way, args[0], r)
			}
		}
		o.Must(t, "delete", "--force", "live")
	}
}
