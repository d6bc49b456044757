package libcontainer_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestBindMounts(t *testing.T) {
	root, src := testRoot(t), t.TempDir()
	write(t, src+"/file", "text", 0o644)
	spec := testSpec(root, "sh", "-c", "cat /data/file /one; touch /data/new 2>/dev/null || echo ro; touch /rw/new && echo rw; grep -c nodev.*/rw /proc/self/mountinfo")
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/data", Type: "bind", Source: src, Options: []string{"rbind", "rro", "rprivate"}},
		specs.Mount{Destination: "/one", Source: src + "/file", Options: []string{"bind", "ro"}},
		specs.Mount{Destination: "/rw", Source: src, Options: []string{"rbind", "nosuid", "nodev", "rslave"}})
	if out, _ := run(t, spec); !strings.HasPrefix(out, "texttextro\nrw") {
		t.Errorf("output %q", out)
	}
	if _, err := os.Stat(src + "/new"); err != nil {
		t.Error(err)
	}
}

func TestReadonlyRootKeepsMountsWritable(t *testing.T) {
	spec := testSpec(testRoot(t), "sh", "-c", "touch /x 2>/dev/null || echo ro; touch /tmp/x && echo tmp; touch /dev/shm/x && echo shm; touch /rotmp/sub/x && echo sub; touch /rotmp/x 2>/dev/null || echo rotmp; (echo 1 > /proc/sys/kernel/panic) 2>/dev/null || echo sysro; touch /sys/fs/cgroup/x 2>/dev/null || echo cgro")
	spec.Root.Readonly = true
	if err := os.MkdirAll(spec.Root.Path+"/rotmp", 0o755); err != nil {
		t.Fatal(err)
	}
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"},
		specs.Mount{Destination: "/rotmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"ro"}},
		specs.Mount{Destination: "/rotmp/sub", Type: "tmpfs", Source: "tmpfs"})
	if out, _ := run(t, spec); strings.Join(strings.Fields(out), " ") != "ro tmp shm sub rotmp sysro cgro" {
		t.Errorf("output %q", out)
	}
}

func TestTmpfsCopyUpAndMode(t *testing.T) {
	root := testRoot(t)
	for _, d := range []string{"/full", "/full/sub"} {
		if err := os.Mkdir(root+d, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root+"/full/sub/f", "text", 0o604)
	spec := testSpec(root, "sh", "-c", "stat -c %a /full /full/sub/f /fresh; cat /full/sub/f")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/full", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}},
		specs.Mount{Destination: "/fresh", Type: "tmpfs", Source: "tmpfs"})
	if out, _ := run(t, spec); strings.Join(strings.Fields(out), " ") != "750 604 1777 text" {
		t.Errorf("output %q", out)
	}
}

func TestSysctl(t *testing.T) {
	spec := testSpec(testRoot(t), "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/shmmni")
	spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "77", "kernel.shmmni": "123"}
	if out, _ := run(t, spec); strings.Join(strings.Fields(out), " ") != "77 123" {
		t.Errorf("output %q", out)
	}
	for _, k := range []string{"kernel.core_pattern", "vm.overcommit_memory", "net/../kernel/panic", "kernel.hostname"} {
		spec.Linux.Sysctl = map[string]string{k: "1"}
		if _, _, err := compile.Container(spec, compile.Options{}); err == nil {
			t.Errorf("%s was accepted", k)
		}
	}
}

func TestPreservedFiles(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	_, code := run(t, testSpec(testRoot(t), "sh", "-c", "echo hello >&3; ls /proc/self/fd"), func(q *launch.Request) { q.ExtraFiles = []*os.File{w} })
	buf := make([]byte, 16)
	n, _ := r.Read(buf)
	if string(buf[:n]) != "hello\n" || code != 0 {
		t.Errorf("got %q, code %d", buf[:n], code)
	}
}

func TestReaper(t *testing.T) {
	root := testRoot(t)
	spec := testSpec(root, "/run/manager-init", "--", "sh", "-c", "echo $$; (sleep 0.05 &) ; sleep 0.2; ps -o stat | grep -c Z; exit 5")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/run/manager-init", Source: program, Options: []string{"bind", "ro"}})
	out, code := run(t, spec)
	if f := strings.Fields(out); len(f) != 2 || f[0] == "1" || f[1] != "0" || code != 5 {
		t.Errorf("output %q, code %d", out, code)
	}
}

func TestReaperForwardsSignals(t *testing.T) {
	spec := testSpec(testRoot(t), "/run/manager-init", "--", "sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.02; done")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/run/manager-init", Source: program, Options: []string{"bind", "ro"}})
	b, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, _ := b.out.Read(buf)
	if string(buf[:n]) != "ready\n" {
		t.Fatalf("got %q", buf[:n])
	}
	if err := b.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if st, err := b.Wait(); err != nil || st.Code != 9 {
		t.Errorf("ended with %+v, %v", st, err)
	}
}

// startReaped launches a container whose process 1 is our own init, which reports.
func startReaped(t *testing.T, args ...string) *box {
	t.Helper()
	spec := testSpec(testRoot(t), args...)
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/run/manager-init", Source: program, Options: []string{"bind", "ro"}})
	script := "#!/no/such/interpreter\n"
	if err := os.WriteFile(filepath.Join(spec.Root.Path, "bin/script"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	p, h, err := compile.Container(spec, compile.Options{Bundle: spec.Root.Path, Reaper: "/run/manager-init", ReaperReports: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	enc, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	req := launch.Request{Plan: enc}
	h.Apply(&req)
	b, err := launchBox(t, req)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReaperHearsSignalsWhenStarted sends a signal as soon as the start is done: never is it lost, as
// process 1 loses what it does not handle, and never does it end the init itself.
func TestReaperHearsSignalsWhenStarted(t *testing.T) {
	for range 100 {
		b := startReaped(t, "sleep", "20") // which ends by itself when the signal is lost
		if err := b.Exec(); err != nil {
			t.Fatal(err)
		}
		if err := b.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if st, err := b.Wait(); err != nil || st.Code != 128+int(unix.SIGTERM) || st.Signal != 0 {
			t.Fatalf("ended with %+v, %v", st, err)
		}
	}
}

// TestReaperTellsOfAFailedProgram wants what only the init can find out to be the start's failure, and the
// descriptor for it to be nobody else's.
func TestReaperTellsOfAFailedProgram(t *testing.T) {
	b := startReaped(t, "script")
	var failed *launch.Failure
	if err := b.Exec(); !errors.As(err, &failed) || failed.ExitCode() != 127 || !strings.Contains(err.Error(), "/bin/script") {
		t.Errorf("got %v", err)
	}
	if out, code := startReaped(t, "sh", "-c", "echo /proc/self/fd/*").finish(); code != 0 || strings.Contains(out, "/proc/self/fd/4") {
		t.Errorf("descriptors %s, exit code %d", out, code)
	}
}

// withUserNamespace gives the configuration mappings of its own.
func withUserNamespace(t *testing.T, spec *specs.Spec) {
	t.Helper()
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: "user"})
	spec.Linux.UIDMappings, spec.Linux.GIDMappings = ids, ids
	for p := spec.Root.Path; p != "/"; p = filepath.Dir(p) {
		st, err := os.Stat(p)
		if err == nil && st.Mode()&0o005 != 0o005 { // private to us so far
			err = os.Chmod(p, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.Walk(spec.Root.Path, func(p string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, 100000, 100000)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUserNamespace(t *testing.T) {
	src := t.TempDir() // closed to the container's root: opened by the parent
	if err := os.Chmod(src, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(src+"/vol", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(src+"/vol", 0o777); err != nil {
		t.Fatal(err)
	}
	spec := testSpec(testRoot(t), "sh", "-c", "id -u; cat /proc/self/uid_map; echo x > /dev/null; touch /data/f && stat -c %u /data/f; sleep 0.4")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/data", Source: src + "/vol", Options: []string{"rbind"}})
	withUserNamespace(t, spec)
	b, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	p, h, err := compile.Exec(&specs.Process{
		Args: []string{"sh", "-c", "id -u; cat /proc/self/uid_map"}, Cwd: "/",
		Env: []string{"PATH=/bin"},
	}, compile.ExecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	enc, _ := p.Encode()
	e, err := launchBox(t, launch.Request{Plan: enc, Join: &launch.JoinTarget{PIDFD: b.PIDFD(), Flags: compile.AllNamespaces &^ unix.CLONE_NEWTIME}})
	if err != nil {
		t.Fatal(err)
	}
	// First the joined process: a pid namespace ends only when its last process has been reaped.
	if out, code := e.finish(); strings.Join(strings.Fields(out), " ") != "0 0 100000 65536" || code != 0 {
		t.Errorf("exec: output %q, code %d", out, code)
	}
	out, code := b.finish()
	if f := strings.Fields(out); code != 0 || len(f) != 5 || f[0] != "0" || f[2] != "100000" || f[4] != "0" {
		t.Errorf("output %q, code %d", out, code)
	}
	var st unix.Stat_t
	if err := unix.Stat(src+"/vol/f", &st); err != nil || st.Uid != 100000 {
		t.Errorf("file of %d, %v", st.Uid, err)
	}
}

func TestIDMappedMount(t *testing.T) {
	root, src := testRoot(t), t.TempDir()
	write(t, src+"/f", "x", 0o644)
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 4000, Size: 100}}
	spec := testSpec(root, "stat", "-c", "%u", "/data/f")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/data", Source: src, Options: []string{"bind", "idmap"}, UIDMappings: ids, GIDMappings: ids})
	b, err := start(t, spec)
	if err != nil && strings.Contains(err.Error(), "idmap") {
		t.Skipf("the file system of the temporary directory cannot: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := b.finish(); out != "4000" {
		t.Errorf("owner %q, want 4000", out)
	}
}

func TestNamespacesByPath(t *testing.T) {
	holder := exec.Command("sleep", "60")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC}
	root := testRoot(t)
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Process.Kill(); _ = holder.Wait() }()
	spec := testSpec(root, "sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/uts; echo $$")
	want := ""
	for i, ns := range spec.Linux.Namespaces {
		file := map[specs.LinuxNamespaceType]string{"network": "net", "uts": "uts", "ipc": "ipc"}[ns.Type]
		if file == "" {
			continue
		}
		spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/%s", holder.Process.Pid, file)
		if file != "ipc" {
			l, err := os.Readlink(spec.Linux.Namespaces[i].Path)
			if err != nil {
				t.Fatal(err)
			}
			want += l + "\n"
		}
	}
	if out, _ := run(t, spec); out != want+"1" {
		t.Errorf("output %q, want %q", out, want)
	}
}

func TestBornInItsCgroup(t *testing.T) {
	root := testRoot(t)
	if cgroups.Mode() == cgroups.Disabled {
		t.Skip("needs a cgroup file system")
	}
	path := "/manager-test-born-" + strconv.Itoa(os.Getpid())
	cg, err := cgroups.Create(cgroups.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cg.Remove(); err != nil {
			t.Error(err)
		}
	}()
	defer func() { _ = cg.KillAll() }()
	d, err := cg.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	into := func(q *launch.Request) { q.Cgroup, q.CgroupTasks = d.Dir, d.Tasks }
	b, err := start(t, testSpec(root, "cat", "/proc/self/cgroup"), into)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := cg.PIDs()
	if err != nil || len(pids) != 1 || pids[0] != b.PID() {
		t.Errorf("processes %v (%v), want %d alone", pids, err, b.PID())
	}
	mine, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(mine)), "\n") {
		f := strings.SplitN(line, ":", 3)
		if !mounted(t, f[1]) {
			continue
		}
		if !strings.HasSuffix(line, path) {
			t.Errorf("outside: %s", line)
		}
	}
	out, _ := b.finish()
	for _, line := range strings.Split(out, "\n") {
		if !strings.HasSuffix(line, ":/") {
			t.Errorf("the cgroup namespace's root is elsewhere: %s", line)
		}
	}
}

// mounted says whether the hierarchy with these controllers is mounted here.
func mounted(t *testing.T, controllers string) bool {
	t.Helper()
	l, err := cgroups.ReadLayout()
	if err != nil {
		t.Fatal(err)
	}
	if controllers == "" {
		return l.Unified != ""
	}
	for _, h := range l.V1 {
		if strings.Join(h.Controllers, ",") == controllers {
			return true
		}
	}
	return false
}
