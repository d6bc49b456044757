package conformance

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

var sleeper = []string{"sleep", "1000"}

func create(t *testing.T, o *testenv.OCI, id string, args []string, change ...func(*specs.Spec)) {
	t.Helper()
	o.Must(t, "create", "--bundle", o.Bundle(t, id, args, change...), id)
}

func start(t *testing.T, o *testenv.OCI, id string, change ...func(*specs.Spec)) {
	t.Helper()
	create(t, o, id, sleeper, change...)
	o.Must(t, "start", id)
}

// crunWords are what crun 1.8 says of a container that is not there or in the wrong state; engines look
// for its exit code there.
var crunWords = []string{"no such file or directory", "state"}

// fails wants a failure with one of the words that engines look for.
func fails(t *testing.T, o *testenv.OCI, words []string, args ...string) {
	t.Helper()
	r := o.Run(t, args...)
	if filepath.Base(o.Program) == "crun" {
		words = append(words, crunWords...)
	}
	for _, w := range words {
		if r.Code > 0 && strings.Contains(strings.ToLower(r.Stderr), strings.ToLower(w)) {
			return
		}
	}
	t.Errorf("%s: %+v, want a failure with one of %q", strings.Join(args, " "), r, words)
}

func TestLife(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		create(t, o, "c", sleeper)
		s := o.State(t, "c")
		if s["status"] != "created" || s["id"] != "c" || s["pid"].(float64) <= 0 || s["bundle"] != filepath.Join(o.Dir, "bundles/c") || s["ociVersion"] == "" {
			t.Errorf("state %v", s)
		}
		if _, err := time.Parse(time.RFC3339Nano, s["created"].(string)); err != nil {
			t.Error(err)
		}
		fails(t, o, []string{"already exists"}, "create", "--bundle", filepath.Join(o.Dir, "bundles/c"), "c")
		o.Must(t, "start", "c")
		o.Await(t, "c", "running")
		fails(t, o, []string{"cannot start an already running container", "cannot start"}, "start", "c")
		fails(t, o, []string{"not stopped"}, "delete", "c")
		o.Must(t, "kill", "c", "KILL")
		o.Await(t, "c", "stopped")
		fails(t, o, []string{"not running", "process already finished", "no such process"}, "kill", "c", "TERM")
		o.Must(t, "kill", "--all", "c", "KILL")
		fails(t, o, []string{"stopped", "not running"}, "exec", "c", "true")
		o.Must(t, "delete", "c")
		for _, verb := range []string{"state", "kill", "delete", "start"} {
			fails(t, o, []string{"does not exist"}, verb, "c")
		}
		o.Must(t, "delete", "--force", "c")
		if dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + o.Cgroup + "/c"); len(dirs) > 0 {
			t.Errorf("cgroups are left: %q", dirs)
		}
	})
}

func TestDeleteForce(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		start(t, o, "c")
		o.Must(t, "delete", "--force", "c")
		create(t, o, "c", sleeper)
		o.Must(t, "delete", "--force", "c")
	})
}

func TestConfigurationIsReadOnce(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		create(t, o, "c", sleeper)
		o.Bundle(t, "c", []string{"false"})
		o.Must(t, "start", "c")
		o.Await(t, "c", "running")
	})
}

func TestExitCodes(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		for _, code := range []int{0, 1, 42} {
			script := []string{"sh", "-c", "echo out; echo err >&2; exit " + strconv.Itoa(code)}
			if r := o.Run(t, "run", "--bundle", o.Bundle(t, "r", script), "r"); r.Code != code || r.Stdout != "out\n" || r.Stderr != "err\n" {
				t.Errorf("run: %+v, want code %d", r, code)
			}
		}
		start(t, o, "c")
		for script, code := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
			if r := o.Run(t, "exec", "c", "sh", "-c", script); r.Code != code {
				t.Errorf("exec %s: %+v", script, r)
			}
		}
		fails(t, o, []string{"executable file not found in $PATH", "executable file `nothing` not found in $PATH"}, "exec", "c", "nothing")
	})
}

// TestMissingProgram is told by create, as engines expect.
func TestMissingProgram(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		for program, words := range map[string][]string{
			"nothing": {"executable file not found in $PATH", "executable file `nothing` not found in $PATH"}, "/nothing": {"no such file or directory", "not found"},
		} {
			fails(t, o, words, "create", "--bundle", o.Bundle(t, "c", []string{program}), "c")
			if s := o.State(t, "c"); s != nil {
				t.Errorf("%s: a container is left: %v", program, s)
			}
		}
	})
}

func TestExecOptions(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		start(t, o, "c")
		got := o.Must(t, "exec", "--cwd", "/tmp", "--env", "A=b", "--user", "5:6", "c", "/bin/sh", "-c", "pwd; echo $A; /bin/id -u; /bin/id -g")
		if got != "/tmp\nb\n5\n6" {
			t.Errorf("%q", got)
		}
		file := filepath.Join(o.Dir, "process.json")
		b, _ := json.Marshal(specs.Process{Args: []string{"/bin/sh", "-c", "pwd; echo $A"}, Cwd: "/etc", Env: []string{"PATH=/bin", "A=c"}})
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := o.Must(t, "exec", "--process", file, "c"); got != "/etc\nc" {
			t.Errorf("%q", got)
		}
		pid := filepath.Join(o.Dir, "pid")
		o.Must(t, "exec", "--detach", "--pid-file", pid, "c", "sleep", "999")
		b, err := os.ReadFile(pid)
		if err != nil {
			t.Fatal(err)
		}
		var line []byte
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			// runc returns before its own program has made room.
			if line, _ = os.ReadFile("/proc/" + string(b) + "/cmdline"); string(line) == "sleep\x00999\x00" {
				return
			}
		}
		t.Errorf("process %q is %q", b, line)
	})
}

func TestPause(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		start(t, o, "c")
		o.Must(t, "pause", "c")
		if s := o.State(t, "c"); s["status"] != "paused" {
			t.Errorf("status %v", s["status"])
		}
		fails(t, o, []string{"paused"}, "exec", "c", "true")
		o.Must(t, "resume", "c")
		o.Await(t, "c", "running")
		o.Must(t, "exec", "c", "true")
	})
}

func TestLists(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		start(t, o, "c")
		var list []struct{ ID, Status string }
		if err := json.Unmarshal([]byte(o.Must(t, "list", "--format", "json")), &list); err != nil || len(list) != 1 || list[0].ID != "c" || list[0].Status != "running" {
			t.Errorf("list %+v, %v", list, err)
		}
		if got := o.Must(t, "list", "--quiet"); got != "c" {
			t.Errorf("list --quiet: %q", got)
		}
		var pids []int
		if err := json.Unmarshal([]byte(o.Must(t, "ps", "--format", "json", "c")), &pids); err != nil || len(pids) != 1 || pids[0] != int(o.State(t, "c")["pid"].(float64)) {
			t.Errorf("ps %v, %v", pids, err)
		}
	})
}

func TestPIDFile(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		pid := filepath.Join(o.Dir, "pid")
		o.Must(t, "create", "--bundle", o.Bundle(t, "c", sleeper), "--pid-file", pid, "c")
		b, err := os.ReadFile(pid)
		if err != nil || string(b) != strconv.Itoa(int(o.State(t, "c")["pid"].(float64))) {
			t.Errorf("the pid file has %q, %v", b, err)
		}
	})
}

func TestUpdate(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		start(t, o, "c")
		limit := func() string {
			b, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup/pids", o.Cgroup, "c/pids.max"))
			return strings.TrimSpace(string(b))
		}
		if limit() == "" {
			t.Skip("no version 1 controller of processes")
		}
		text := `{"pids": {"limit": 21}}`
		if r := o.Do(t, testenv.OCICommand{Args: []string{"update", "--resources", "-", "c"}, Stdin: &text}); r.Code != 0 || limit() != "21" {
			t.Errorf("%+v, pids.max %s", r, limit())
		}
		o.Must(t, "update", "--pids-limit", "22", "c")
		if limit() != "22" {
			t.Errorf("pids.max %s", limit())
		}
	})
}

func TestPreservedDescriptors(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		path := filepath.Join(o.Dir, "text")
		if err := os.WriteFile(path, []byte("handed"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		r := o.Do(t, testenv.OCICommand{Args: []string{"run", "--preserve-fds", "1", "--bundle", o.Bundle(t, "c", []string{"sh", "-c", "cat <&3"}), "c"}, Files: []*os.File{f}})
		if r.Code != 0 || r.Stdout != "handed" {
			t.Errorf("%+v", r)
		}
	})
}

func TestConsoleSocket(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		path := filepath.Join(o.Dir, "s")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		got := make(chan int, 1)
		go func() {
			conn, err := l.AcceptUnix()
			if err != nil {
				got <- -1
				return
			}
			defer func() { _ = conn.Close() }()
			oob := make([]byte, unix.CmsgSpace(4))
			_, n, _, _, _ := conn.ReadMsgUnix(make([]byte, 4096), oob)
			msgs, err := unix.ParseSocketControlMessage(oob[:n])
			if err != nil || len(msgs) != 1 {
				got <- -1
				return
			}
			fds, err := unix.ParseUnixRights(&msgs[0])
			if err != nil || len(fds) != 1 {
				got <- -1
				return
			}
			got <- fds[0]
		}()
		terminal := func(s *specs.Spec) { s.Process.Terminal = true }
		o.Must(t, "create", "--bundle", o.Bundle(t, "c", []string{"sh", "-c", "echo on a terminal; exec sleep 1000"}, terminal), "--console-socket", path, "c")
		o.Must(t, "start", "c")
		fd := <-got
		if fd < 0 {
			t.Fatal("no descriptor came")
		}
		_ = unix.SetNonblock(fd, true)
		master := os.NewFile(uintptr(fd), "master")
		defer func() { _ = master.Close() }()
		_ = master.SetReadDeadline(time.Now().Add(20 * time.Second))
		buf, seen := make([]byte, 256), ""
		for !strings.Contains(seen, "on a terminal") {
			n, err := master.Read(buf)
			if err != nil {
				t.Fatalf("%q, %v", seen, err)
			}
			seen += string(buf[:n])
		}
	})
}

func TestOrderOfHooks(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		file := filepath.Join(o.Dir, "hooks")
		hook := func(name string) []specs.Hook {
			return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "cat >/dev/null; echo " + name + " >>" + file}}}
		}
		hooks := func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateRuntime: hook("createRuntime"), Poststart: hook("poststart"), Poststop: hook("poststop")}
			//lint:ignore SA1019 it is still in configurations
			s.Hooks.Prestart = hook("prestart")
		}
		o.Must(t, "run", "--bundle", o.Bundle(t, "c", []string{"true"}, hooks), "c")
		b, _ := os.ReadFile(file)
		if got := strings.Join(strings.Fields(string(b)), " "); got != "prestart createRuntime poststart poststop" {
			t.Errorf("%q", got)
		}
	})
}

func TestHelp(t *testing.T) {
	each(t, func(t *testing.T, o *testenv.OCI) {
		for _, verb := range strings.Fields("create delete events exec kill list pause ps resume run spec start state update") {
			if verb == "events" && strings.HasSuffix(o.Program, "crun") {
				continue // it has none
			}
			if r := o.Run(t, verb, "--help"); r.Code != 0 || !strings.Contains(r.Stdout, verb) {
				t.Errorf("%s --help: %+v", verb, r)
			}
		}
	})
}
