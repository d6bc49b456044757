package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// moveAll moves all processes of a container's cgroup into another one that somebody else has made, in every hierarchy,
// and returns them.
func moveAll(t *testing.T, o *testenv.OCI, id string) []string {
	t.Helper()
	var moved []string
	hierarchies, err := filepath.Glob("/sys/fs/cgroup/*" + o.Cgroup + "/" + id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/sys/fs/cgroup" + o.Cgroup + "/" + id); err == nil {
		hierarchies = append(hierarchies, "/sys/fs/cgroup"+o.Cgroup+"/"+id)
	}
	for _, dir := range hierarchies {
		parent := filepath.Dir(dir)
		other := filepath.Join(parent, "elsewhere")
		if err := os.Mkdir(other, 0o755); err == nil {
			t.Cleanup(func() {
				wait(t, other+" is empty", func() bool { return !errors.Is(unix.Rmdir(other), unix.EBUSY) })
			})
		} else if !os.IsExist(err) {
			t.Fatal(err)
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // version 1 starts without any
			if b, err := os.ReadFile(filepath.Join(parent, file)); err == nil && len(b) > 1 {
				if err := os.WriteFile(filepath.Join(other, file), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			t.Fatal(err)
		}
		moved = lines(string(b))
		for _, pid := range moved {
			if err := os.WriteFile(filepath.Join(other, "cgroup.procs"), []byte(pid), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return moved
}

// TestMovedAway has somebody move all processes of a container to another cgroup. What reaches them by their numbers still
// does; what the cgroup alone can do is refused, or said.
func TestMovedAway(t *testing.T) {
	for name, own := range map[string]bool{"own pids": true, "host's pids": false} {
		t.Run(name, func(t *testing.T) {
			o := newRuntime(t)
			args := []string{"sh", "-c", `trap "echo heard >/tmp/heard" TERM; sleep 1000 & sleep 1001 & while :; do wait; done`}
			change := func(s *specs.Spec) {
				if !own {
					s.Linux.Namespaces = s.Linux.Namespaces[1:]
				}
			}
			// left are those that have not ended; only those of a shared pid namespace may.
			left := func(moved []string) []string {
				return slices.DeleteFunc(slices.Clone(moved), func(pid string) bool {
					b, _ := os.ReadFile("/proc/" + pid + "/cmdline")
					return len(b) == 0
				})
			}
			run := func() (init string, moved []string) {
				o.Must(t, "run", "--detach", "--bundle", o.Bundle(t, "c", args, change), "c")
				wait(t, "all processes run", func() bool { return len(processes(t, o)) == 3 })
				init, moved = fmt.Sprint(o.State(t, "c")["pid"]), moveAll(t, o, "c")
				t.Cleanup(func() { killEach(left(moved)) })
				return init, moved
			}
			init, moved := run()
			if got := o.Must(t, "ps", "-f", "json", "c"); got != "["+init+"]" {
				t.Errorf("ps shows %s, and the init is %s", got, init)
			}
			var e memoryEvent
			if err := json.Unmarshal([]byte(o.Must(t, "events", "--stats", "c")), &e); err != nil || e.Type != "stats" {
				t.Errorf("%+v, %v", e, err)
			}
			o.Refused(t, 1, "somebody has moved it", "pause", "c")
			if s := o.State(t, "c"); s["status"] != "running" {
				t.Errorf("after that: %v", s)
			}
			if got := o.Must(t, "exec", "c", "grep", "-c", o.Cgroup+"/c$", "/proc/self/cgroup"); got == "0" {
				t.Error("exec is not in the container's cgroup")
			}
			o.Must(t, "kill", "--all", "c", "TERM")
			wait(t, "the init has heard the signal", func() bool {
				_, err := os.Stat(filepath.Join(o.Rootfs, "tmp/heard"))
				return err == nil
			})
			o.Must(t, "kill", "c", "KILL")
			o.Await(t, "c", "stopped")
			kill(t, left(moved), own)
			o.Must(t, "delete", "c")

			_, moved = run()
			r := o.Run(t, "delete", "--force", "c")
			if said := strings.Contains(r.Stderr, "what else was moved out of that goes on"); r.Code != 0 || said == own {
				t.Errorf("%+v", r)
			}
			kill(t, left(moved), own)
			nothing(t, o, "moved away, and deleted")
		})
	}
}

// kill ends what is left of a container whose pids are the host's. There may be nothing of another.
func kill(t *testing.T, left []string, own bool) {
	t.Helper()
	if own != (len(left) == 0) {
		t.Errorf("left %q", left)
	}
	killEach(left)
}

func killEach(pids []string) {
	for _, pid := range pids {
		if n, err := strconv.Atoi(pid); err == nil {
			_ = unix.Kill(n, unix.SIGKILL)
		}
	}
}
