package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/testenv"
)

// TestRootlessRanges has a user with ranges in /etc/subuid and /etc/subgid run a container in which other users have ids:
// they are who they are in it, own what they make, and have the groups that were asked for.
func TestRootlessRanges(t *testing.T) {
	o := newRuntime(t)
	for _, program := range []string{"newuidmap", "newgidmap", "unshare", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs ", err)
		}
	}
	home, edit := newHome(t, o)
	const first, size = 7000000, 1000
	ranges := filepath.Join(o.Dir, "ranges")
	if err := os.WriteFile(ranges, fmt.Appendf(nil, "nobody:%d:%d\n", first, size), 0o644); err != nil {
		t.Fatal(err)
	}
	// The helpers look into the files of the machine, which are covered for each command.
	script := fmt.Sprintf(`for f in /etc/subuid /etc/subgid; do mount --bind %s $f || exit 99; done
cd %s && exec setpriv --reuid %d --regid %d --clear-groups "$@"`, ranges, home, nobody, nobody)
	run := func(args ...string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-c", script, "sh", o.Program}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + home}
		out, err := os.CreateTemp(t.TempDir(), "out")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = out.Close() }()
		cmd.Stdout, cmd.Stderr = out, out
		_ = cmd.Run() // the code tells
		b, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b), cmd.ProcessState.ExitCode()
	}
	edit(`"terminal": true`, `"terminal": false`)
	edit(`"sh"`, `"sh", "-c", "id -u; id -g; id -G; touch /dev/shm/x; stat -c %u:%g /dev/shm/x; cat /proc/self/uid_map"`)
	config := filepath.Join(home, "config.json")
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var spec specs.Spec
	if err := json.Unmarshal(b, &spec); err != nil {
		t.Fatal(err)
	}
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: nobody, Size: 1}, {ContainerID: 1, HostID: first, Size: size}}
	spec.Linux.UIDMappings, spec.Linux.GIDMappings = ids, ids
	write := func(uid, gid uint32, groups ...uint32) {
		t.Helper()
		spec.Process.User = specs.User{UID: uid, GID: gid, AdditionalGids: groups}
		b, err := json.Marshal(spec)
		if err == nil {
			err = os.WriteFile(config, b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	maps := fmt.Sprintf(" 0 %d 1 1 %d %d", nobody, first, size)
	for want, user := range map[string][]uint32{
		"0 0 0 0:0" + maps: {0, 0}, "7 8 8 9 10 7:8" + maps: {7, 8, 9, 10}, "1000 1000 1000 1000:1000" + maps: {1000, 1000},
	} {
		write(user[0], user[1], user[2:]...)
		out, code := run("run", "c")
		if got := strings.Join(strings.Fields(out), " "); code != 0 || got != want {
			t.Errorf("user %v: %d, %s, want %s", user, code, got, want)
		}
	}
	write(1001, 0)
	if out, code := run("run", "c"); code != 1 || !strings.Contains(out, "1001") {
		t.Errorf("an id beyond the range: %d, %s", code, out)
	}
	spec.Process.Args = []string{"sleep", "1000"}
	write(7, 8, 9)
	if out, code := run("run", "--detach", "c"); code != 0 {
		t.Fatalf("run --detach: %d, %s", code, out)
	}
	if out, code := run("exec", "--user", "5:6", "c", "sh", "-c", "id -u; id -G"); code != 0 || out != "5\n6 9\n" {
		t.Errorf("exec: %d, %s", code, out)
	}
	if out, code := run("delete", "--force", "c"); code != 0 {
		t.Errorf("delete: %d, %s", code, out)
	}
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{ids[0], {ContainerID: 1, HostID: first, Size: size + 1}}
	write(0, 0)
	if out, code := run("run", "c"); code != 1 || !strings.Contains(out, "newuidmap") {
		t.Errorf("more ids than there are: %d, %s", code, out)
	}
	nothing(t, o, "ranges")
}

// TestSystemdCgroupOfAUser has a user's own service manager make the cgroup of a container without privileges: its limits
// hold, and it is delegated.
func TestSystemdCgroupOfAUser(t *testing.T) {
	testenv.Need(t, testenv.User, testenv.Unified, testenv.Systemd, testenv.Delegated)
	bin := os.Getenv("MANAGER_BIN")
	if bin == "" {
		t.Fatal("the lane has no programs in $MANAGER_BIN")
	}
	dir := t.TempDir()
	rootfs := filepath.Join(dir, "rootfs")
	for _, d := range []string{"bin", "dev", "proc", "sys"} {
		if err := os.MkdirAll(filepath.Join(rootfs, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyProgram("/bin/busybox", filepath.Join(rootfs, "bin/sleep")); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), append([]string{"--systemd-cgroup"}, args...)...)
		cmd.Dir = dir
		out, err := os.CreateTemp(dir, "out")
		if err != nil {
			return "", err
		}
		defer func() { _ = out.Close() }()
		cmd.Stdout, cmd.Stderr = out, out
		err = cmd.Run()
		b, _ := os.ReadFile(out.Name())
		return string(b), err
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	must("spec", "--rootless")
	config := filepath.Join(dir, "config.json")
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var spec specs.Spec
	if err := json.Unmarshal(b, &spec); err != nil {
		t.Fatal(err)
	}
	tasks, memory := int64(30), int64(64<<20)
	id := fmt.Sprintf("managertest%d", os.Getpid())
	spec.Process.Terminal, spec.Process.Args = false, sleeper
	spec.Linux.CgroupsPath = "user.slice:runtime:" + id
	spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}, Pids: &specs.LinuxPids{Limit: &tasks}}
	if b, err = json.Marshal(spec); err == nil {
		err = os.WriteFile(config, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = run("delete", "--force", id) })
	must("run", "--detach", id)
	var state struct{ PID int }
	if err := json.Unmarshal([]byte(must("state", id)), &state); err != nil {
		t.Fatal(err)
	}
	cgroupOf := func(pid string) string {
		t.Helper()
		b, err := os.ReadFile("/proc/" + pid + "/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(strings.TrimPrefix(string(b), "0::"))
	}
	place := cgroupOf(fmt.Sprint(state.PID))
	if !strings.Contains(place, fmt.Sprintf("/user@%d.service/", os.Getuid())) || !strings.HasSuffix(place, "/runtime-"+id+".scope") {
		t.Errorf("cgroup %q", place)
	}
	look := func(want ...string) {
		t.Helper()
		var got []string
		for _, file := range []string{"memory.max", "pids.max"} {
			b, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", place, file))
			got = append(got, strings.TrimSpace(string(b)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("limits %q, want %q", got, want)
		}
	}
	look("67108864", "30")
	must("update", "--pids-limit", "20", id)
	look("67108864", "20")
	must("pause", id)
	must("resume", id)
	must("exec", "--detach", "--pid-file", "pid", id, "sleep", "999")
	if b, err = os.ReadFile(filepath.Join(dir, "pid")); err != nil {
		t.Fatal(err)
	}
	if got := cgroupOf(string(b)); got != place {
		t.Errorf("exec is in %q, the container in %q", got, place)
	}
	must("delete", "--force", id)
	if _, err := os.Stat(filepath.Join("/sys/fs/cgroup", place)); !os.IsNotExist(err) {
		t.Errorf("the cgroup: %v", err)
	}
}
