package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// needCRIU leaves the test to a machine whose kernel and CRIU fit together.
func needCRIU(t *testing.T) {
	t.Helper()
	out, err := exec.Command("criu", "check").CombinedOutput()
	if err == nil {
		return
	}
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	t.Fatalf("criu check: %v\n%s", err, out)
}

// laneRuntime is the built program where there is one, as in a lane without a compiler.
func laneRuntime(t *testing.T) *testenv.OCI {
	t.Helper()
	var o *testenv.OCI
	if bin := os.Getenv("MANAGER_BIN"); bin != "" {
		o = testenv.NewOCI(t, filepath.Join(bin, name))
	} else {
		o = newRuntime(t)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, file := range []string{"dump.log", "restore.log"} {
			text, _ := os.ReadFile(filepath.Join(o.Dir, file))
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, "Error") || strings.Contains(line, "Warn") {
					t.Logf("%s: %s", file, strings.TrimSpace(line))
				}
			}
		}
	})
	return o
}

// counter counts in a file of the host, and in the process's memory alone.
var counter = []string{"sh", "-c", "i=0; while :; do i=$((i+1)); echo $i > /out/count; sleep 0.05; done"}

// counting makes a container that counts, and returns what reads the count.
func counting(t *testing.T, o *testenv.OCI, id string, change ...func(*specs.Spec)) (bundle string, count func() int) {
	t.Helper()
	out := filepath.Join(o.Dir, "out-"+id)
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	change = append(change, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/out", Source: out, Type: "bind", Options: []string{"bind"}})
	})
	bundle = o.Bundle(t, id, counter, change...)
	return bundle, func() int {
		b, _ := os.ReadFile(filepath.Join(out, "count"))
		n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		return n
	}
}

// beyond waits until the count is greater than n, and gives it.
func beyond(t *testing.T, n int, count func() int) int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if now := count(); now > n {
			return now
		}
		if time.Now().After(deadline) {
			t.Fatalf("the count stays at %d, want more than %d", count(), n)
		}
	}
}

// hostNet leaves the host's network, which CRIU need not dump.
func hostNet(s *specs.Spec) {
	var keep []specs.LinuxNamespace
	for _, ns := range s.Linux.Namespaces {
		if ns.Type != specs.NetworkNamespace {
			keep = append(keep, ns)
		}
	}
	s.Linux.Namespaces = keep
}

// TestCRIUGoesOn has a counter go on where it was. It knows the count from its memory alone.
func TestCRIUGoesOn(t *testing.T) {
	needCRIU(t)
	o := laneRuntime(t)
	bundle, count := counting(t, o, "c", hostNet)
	images := filepath.Join(o.Dir, "images")
	o.Must(t, "create", "--bundle", bundle, "c")
	o.Refused(t, 1, "container not running", "checkpoint", "--image-path", images, "c")
	o.Must(t, "start", "c")
	beyond(t, 5, count)
	o.Must(t, "checkpoint", "--image-path", images, "--work-path", o.Dir, "c")
	o.Refused(t, 1, "does not exist", "state", "c")
	at := count()
	if err := os.WriteFile(filepath.Join(o.Dir, "out-c", "count"), []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Must(t, "restore", "--bundle", bundle, "--image-path", images, "--work-path", o.Dir, "--detach", "--pid-file", filepath.Join(o.Dir, "pid"), "c")
	if now := beyond(t, 0, count); now < at || now > at+200 {
		t.Errorf("it goes on at %d, and was at %d", now, at)
	}
	s := o.State(t, "c")
	pid, _ := os.ReadFile(filepath.Join(o.Dir, "pid"))
	if s["status"] != "running" || strconv.Itoa(int(s["pid"].(float64))) != string(pid) {
		t.Errorf("state %v, pid file %s", s, pid)
	}
	o.Refused(t, 1, "already exists", "restore", "--bundle", bundle, "--image-path", images, "--work-path", o.Dir, "--detach", "c")
	o.Must(t, "pause", "c")
	o.Must(t, "resume", "c")
	beyond(t, count(), count)
	if got := o.Must(t, "exec", "c", "echo", "inside"); !strings.Contains(got, "inside") {
		t.Errorf("exec says %q", got)
	}
	o.Must(t, "kill", "c", "KILL")
	o.Await(t, "c", "stopped")
	o.Must(t, "delete", "c")
}

// TestCRIULeavesRunning dumps twice, the second time on top of a pre-dump.
func TestCRIULeavesRunning(t *testing.T) {
	needCRIU(t)
	o := laneRuntime(t)
	bundle, count := counting(t, o, "c", hostNet)
	o.Must(t, "run", "--detach", "--bundle", bundle, "c")
	beyond(t, 5, count)
	at := func(name string) string { return filepath.Join(o.Dir, name) }
	o.Must(t, "checkpoint", "--pre-dump", "--image-path", at("before"), "--work-path", o.Dir, "c")
	beyond(t, count(), count)
	o.Must(t, "checkpoint", "--leave-running", "--parent-path", "../before", "--image-path", at("images"), "--work-path", o.Dir, "c")
	after := beyond(t, count(), count)
	o.Must(t, "delete", "--force", "c")
	o.Must(t, "restore", "--bundle", bundle, "--image-path", at("images"), "--work-path", o.Dir, "--detach", "c")
	for {
		if now := count(); now < after { // back in time: it was dumped before it came here
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("the count never went back")
		}
	}
	beyond(t, after, count)
}

// TestCRIUForeground passes the program's exit status on.
func TestCRIUForeground(t *testing.T) {
	needCRIU(t)
	o := laneRuntime(t)
	bundle := o.Bundle(t, "c", []string{"sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"}, hostNet)
	images := filepath.Join(o.Dir, "images")
	o.Must(t, "run", "--detach", "--bundle", bundle, "c")
	o.Must(t, "checkpoint", "--image-path", images, "--work-path", o.Dir, "c")
	cmd := exec.Command(o.Program, append(o.Global, "restore", "--bundle", bundle, "--image-path", images, "--work-path", o.Dir, "c")...)
	cmd.Env = o.Env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o.Await(t, "c", "running")
	o.Must(t, "kill", "c", "TERM")
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("ended with %v", cmd.ProcessState)
	}
	o.Refused(t, 1, "does not exist", "state", "c")
}

// TestOwnNull looks at the descriptors of a container that was given the host's null device: they
// are of its own, since CRIU cannot dump the host's.
func TestOwnNull(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c") // standard input is the null device of the host
	pid := strconv.Itoa(int(o.State(t, "c")["pid"].(float64)))
	info, err := os.ReadFile("/proc/" + pid + "/fdinfo/0")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(info), "mnt_id:")
	mounts, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if id := strings.Fields(after)[0]; !strings.HasPrefix(string(mounts), id+" ") && !strings.Contains(string(mounts), "\n"+id+" ") {
		t.Errorf("descriptor 0 is on the mount %s, which the container has not:\n%s", id, mounts)
	}
	if name, err := os.Readlink("/proc/" + pid + "/fd/0"); err != nil || name != "/dev/null" {
		t.Errorf("descriptor 0 is %s, %v", name, err)
	}
}

// brokenCRIU puts a criu into $PATH that fails.
func brokenCRIU(t *testing.T, o *testenv.OCI) {
	t.Helper()
	dir := filepath.Join(o.Dir, "broken")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "criu"), []byte("#!/bin/sh\necho out of order >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	o.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
}

// TestCheckpointFails leaves the container as it was.
func TestCheckpointFails(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	images := filepath.Join(o.Dir, "images")
	o.Env = []string{"PATH=" + o.Dir}
	o.Refused(t, 1, "criu: not found in $PATH", "checkpoint", "--image-path", images, "c")
	brokenCRIU(t, o)
	o.Refused(t, 1, "checkpoint by criu: out of order", "checkpoint", "--image-path", images, "c")
	for _, wrong := range [][]string{
		{"--parent-path", "/etc"}, {"--manage-cgroups-mode", "all"}, {"--page-server", "here"}, {"--empty-ns", "pid"}, {"--status-fd", "99"},
	} {
		o.Refused(t, 1, wrong[0], append([]string{"checkpoint", "--image-path", images}, append(wrong, "c")...)...)
	}
	if s := o.State(t, "c"); s["status"] != "running" {
		t.Errorf("state %v", s)
	}
}

// TestRestoreFails leaves nothing behind, whichever step fails.
func TestRestoreFails(t *testing.T) {
	o := newRuntime(t)
	bundle := o.Bundle(t, "c", sleeper)
	images := filepath.Join(o.Dir, "images")
	restore := func(want string, more ...string) {
		t.Helper()
		o.Refused(t, 1, want, append(append([]string{"restore", "--bundle", bundle, "--image-path", images}, more...), "c")...)
		o.Refused(t, 1, "does not exist", "state", "c")
	}
	restore("no such directory")
	if err := os.Mkdir(images, 0o755); err != nil {
		t.Fatal(err)
	}
	restore("is empty")
	if err := os.WriteFile(filepath.Join(images, "inventory.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	restore("descriptors.json")
	if err := os.WriteFile(filepath.Join(images, "descriptors.json"), []byte(`["/dev/null","/dev/null","/dev/null"]`), 0o600); err != nil {
		t.Fatal(err)
	}
	brokenCRIU(t, o)
	restore("restore by criu: out of order")
	restore("--lsm-profile", "--lsm-profile", "none")
	for _, point := range restorePoints {
		o.Env = append(o.Env[:1:1], "RUNTIME_FAIL=restore: "+point)
		restore("injected")
	}
	for n := range len(restorePoints) {
		o.Env = append(o.Env[:1:1], "RUNTIME_KILL="+strconv.Itoa(n+1))
		o.Run(t, "restore", "--bundle", bundle, "--image-path", images, "c")
		o.Env = o.Env[:1:1]
		o.Must(t, "delete", "--force", "c")
		if _, err := os.Stat(filepath.Join(o.Rootfs, "bin/busybox")); err != nil {
			t.Fatalf("the root file system was removed with the remains: %v", err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(images, "pages-1.img")); err != nil {
		t.Fatal(err)
	}
	restore("is not a regular file")
}

// restorePoints are the steps of a restore up to CRIU.
var restorePoints = []string{"images", "directory", "place", "compile", "journal", "configuration", "cgroup", "root", "mount points", "criu"}

// TestProbes answers what engines ask before they use it.
func TestProbes(t *testing.T) {
	o := newRuntime(t)
	if out := o.Must(t, "checkpoint", "--help"); !strings.Contains(out, "--image-path") {
		t.Errorf("help says %q", out)
	}
	o.Refused(t, 1, "flag needs an argument", "restore", "--lsm-mount-context")
}
