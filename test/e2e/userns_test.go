package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// asRootShell runs a script as root in a mount namespace whose /etc gives user "containers" ids from 70000000 on.
// "manager" is m's; what the script makes it has to remove, since nobody else sees its mounts.
func asRootShell(t *testing.T, m *testenv.Manager, subids int, script string) string {
	t.Helper()
	head := "set -eu\nmount --make-rprivate /\n"
	for _, file := range []string{"subuid", "subgid"} {
		line := ""
		if subids > 0 {
			line = fmt.Sprintf("containers:70000000:%d\n", subids)
		}
		path := filepath.Join(m.Dir, file)
		if err := os.WriteFile(path, []byte(line), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat("/etc/" + file); err != nil {
			if err := os.WriteFile("/etc/"+file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		head += fmt.Sprintf("mount --bind %s /etc/%s\n", path, file)
	}
	global := strings.Join(m.Args(), " ")
	head += fmt.Sprintf("manager() { %s %s \"$@\"; }\nrun() { manager run --cgroup-parent %s --network none \"$@\"; }\ncd %s\n", m.Program, global, m.CgroupParent, m.Dir)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", head+script)
	cmd.Env = m.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func autoManager(t *testing.T) *testenv.Manager {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv(runtimeVariable) != "" {
		t.Skip("needs root to have ids to give")
	}
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	return m
}

// Root's automatic user namespaces have no id in common, however many are made at once, and give them back.
func TestAutoUserNamespaces(t *testing.T) {
	m := autoManager(t)
	out := asRootShell(t, m, 20000, `
run --rm --userns auto busybox cat /proc/self/uid_map | tr -s ' '
run --rm --userns auto busybox sh -c 'touch /x; echo inside $(stat -c %u:%g / /x /etc/hosts)'
run --rm --userns auto:size=5000,uidmapping=7:3:1 busybox cat /proc/self/uid_map | tr -s ' '
run --rm --userns auto --user 3000 busybox cat /proc/self/uid_map | tr -s ' '
for i in 1 2 3 4 5 6; do run -d --name c$i --userns auto:size=3000 busybox sleep 1000 >/dev/null & done; wait
manager inspect --format '{{index .HostConfig.IDMappings.UIDMap 0}}' c1 c2 c3 c4 c5 c6 | sort
manager exec c1 sh -c 'echo exec $(wc -l </proc/self/uid_map)'
run --rm --userns auto:size=3000 busybox true || echo full $?
manager rm -f --time 0 c3 >/dev/null
run --rm --userns auto:size=3000 busybox echo again
manager rm -f --time 0 c1 c2 c4 c5 c6 >/dev/null
run --rm --userns auto:size=20000 busybox echo all
run --rm --userns auto:size=20001 busybox true || echo beyond $?
`)
	for _, want := range []string{
		" 0 70000000 1024\n", "inside 0:0 0:0 0:0\n", " 0 70000000 7\n 7 3 1\n 8 70000007 4992\n", " 0 70000000 3001\n",
		"0:70000000:3000\n0:70003000:3000\n0:70006000:3000\n0:70009000:3000\n0:70012000:3000\n0:70015000:3000\n",
		"exec 1\n", "3000 ids are needed, and 2000 of 20000 are free: other containers have them; remove containers", "full 125\n", "again\n", "all\n",
		"20001 ids are needed, and 20000 of 20000 are free; ask for fewer with auto:size=N, or add a line to /etc/subuid of user containers\n", "beyond 125\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// Without a line in /etc/subuid the error says which, and nothing is made.
func TestAutoUserNamespaceWithoutIDs(t *testing.T) {
	m := autoManager(t)
	out := asRootShell(t, m, 0, "run --rm --userns auto busybox true || echo code $?\nmanager ps --all --quiet\n")
	if !strings.Contains(out, `/etc/subuid has no line for user "containers"`) || !strings.HasSuffix(out, "code 125\n") {
		t.Errorf("%s", out)
	}
}

// Where the storage driver cannot map ids, files are given to the container's without losing what chown takes, and
// hard links keep one owner.
func TestShiftedRoot(t *testing.T) {
	m := autoManager(t)
	m.Env = append(m.Env, "_CONTAINERS_OVERLAY_DISABLE_IDMAP=yes")
	m.MustRun(t, "run", "--name", "base", "--network", "none", "busybox", "true")
	m.MustRun(t, "rm", "base")
	tree := filepath.Join(m.Dir, "tree")
	for _, script := range []string{
		"mkdir -p $0/bin $0/d && cp /bin/busybox $0/bin/busybox 2>/dev/null || cp $(command -v sh) $0/bin/busybox",
		"ln $0/bin/busybox $0/bin/second && chmod 6755 $0/bin/busybox",
		"echo x >$0/d/f && chown -R 3:4 $0/d && chown 70000:70000 $0/d && ln -s /etc $0/d/link && chown -h 5:6 $0/d/link",
		"tar -C $0 -cf $0.tar .",
	} {
		if out, err := exec.CommandContext(t.Context(), "/bin/sh", "-ec", script, tree).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	m.MustRun(t, "import", "--quiet", tree+".tar", "localhost/shift")
	r := m.Run("create", "--name", "x", "--network", "none", "--uidmap", "0:100000:10", "--gidmap", "0:200000:10", "localhost/shift", "/bin/busybox")
	if r.Code != 0 || !strings.Contains(r.Stderr, "Giving the files of localhost/shift") {
		t.Fatalf("%d: %s", r.Code, r.Stderr)
	}
	// The files are in a layer that the next container with this map shares.
	lower, _, _ := strings.Cut(m.MustRun(t, "inspect", "--format", "{{.GraphDriver.Data.LowerDir}}", "x"), ":")
	for file, want := range map[string][3]uint32{
		"bin/busybox": {100000, 200000, 0o6755}, "bin/second": {100000, 200000, 0o6755}, "d/f": {100003, 200004, 0o644}, "d/link": {100005, 200006, 0o777},
	} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(lower, file), &st); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if got := [3]uint32{st.Uid, st.Gid, st.Mode & 0o7777}; got != want {
			t.Errorf("%s: %d, want %d", file, got, want)
		}
	}
	r = m.Run("create", "--name", "y", "--network", "none", "--uidmap", "0:100000:10", "--gidmap", "0:200000:10", "localhost/shift", "/bin/busybox")
	if again, _, _ := strings.Cut(m.MustRun(t, "inspect", "--format", "{{.GraphDriver.Data.LowerDir}}", "y"), ":"); r.Code != 0 || r.Stderr != "" || again != lower {
		t.Errorf("second container: %d %q, over %s, want %s", r.Code, r.Stderr, again, lower)
	}
	m.MustRun(t, "rm", "x", "y")
	m.MustRun(t, "rmi", "localhost/shift")
	if _, err := os.Stat(lower); !os.IsNotExist(err) {
		t.Errorf("the image is gone, and %s is there: %v", lower, err)
	}
}

// Several that need the same files make them once, and a container of another map is not concerned.
func TestShiftedAtOnce(t *testing.T) {
	m := autoManager(t)
	m.Env = append(m.Env, "_CONTAINERS_OVERLAY_DISABLE_IDMAP=yes")
	archive, err := testenv.BuildRootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	m.MustRun(t, "import", "--quiet", archive, "localhost/mine")
	results := make(chan testenv.Result)
	for i := range 6 {
		go func() {
			results <- m.Run("run", "--rm", "--network", "none", "--uidmap", fmt.Sprintf("0:%d:65536", 100000*(i%2+1)), "localhost/mine", "stat", "-c", "%u", "/bin/busybox")
		}()
	}
	made := 0
	for range 6 {
		r := <-results
		if r.Code != 0 || r.Stdout != "0\n" {
			t.Errorf("%d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
		made += strings.Count(r.Stderr, "Giving the files")
	}
	if made != 2 {
		t.Errorf("the files were given away %d times, want once for each map", made)
	}
	m.MustRun(t, "rmi", "localhost/mine")
}

// External runtimes look for files as the container's root: our own directories let it pass, and an error says which
// other does not.
func TestUserNamespaceRuntimes(t *testing.T) {
	m := autoManager(t)
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("runc is not installed")
	}
	args := []string{"run", "--rm", "--network", "none", "--uidmap", "0:100000:65536", "busybox", "sh", "-c", "stat -c %u / /bin /etc/hosts; touch /x; stat -c %u /x"}
	with := append([]string{"--runtime", runc}, m.Args(args...)...)
	command := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), m.Program, with...)
		cmd.Env, cmd.Dir = m.Env, m.Dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := command(); err == nil || !strings.Contains(out, "the directory "+m.Dir+" is closed to it") || !strings.Contains(out, "chmod o+x "+m.Dir) {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.Chmod(m.Dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if out, err := command(); err != nil || out != "0\n0\n0\n0\n" {
		t.Errorf("%v: %s", err, out)
	}
}
