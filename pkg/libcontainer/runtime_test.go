package libcontainer_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/direct"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// program is the small program: $MANAGER_BIN's, or built once for all tests of this package; "" if they
// cannot run.
var program, skipReason string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getuid() != 0 {
			skipReason = "needs root"
			return m.Run()
		}
		if _, err := os.Stat("/bin/busybox"); err != nil {
			skipReason = "needs a static /bin/busybox"
			return m.Run()
		}
		if program = os.Getenv(envProgram); program != "" { // we run for TestHiddenCalls
			if err := hide(strings.Fields(os.Getenv(envHidden))); err != nil {
				fmt.Fprintln(os.Stderr, "hide calls:", err)
				return 1
			}
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "libcontainer-test")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if built := os.Getenv("MANAGER_BIN"); built != "" {
			program = filepath.Join(built, "manager-monitor")
			return m.Run()
		}
		program = filepath.Join(dir, "manager-monitor")
		cmd := exec.Command("go", "build", "-o", program, "../../cmd/manager-monitor")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build manager-monitor: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// testRoot makes a root file system with busybox.
func testRoot(t *testing.T) string {
	t.Helper()
	if skipReason != "" {
		t.Skip(skipReason)
	}
	dir := t.TempDir()
	for _, d := range []string{"bin", "dev", "proc", "sys", "tmp", "etc"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, n := range strings.Fields("sh cat ls true false id mount grep sleep touch echo mkdir readlink hostname tty kill stat env umount mknod ip sysctl pwd stty ps uname test") {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", n)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// testSpec is a configuration like the ones engines make.
func testSpec(rootfs string, args ...string) *specs.Spec {
	caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version: "1.2.0",
		Root:    &specs.Root{Path: rootfs},
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: []string{"PATH=/bin"}, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 1048576}},
		},
		Hostname: "box",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{{Type: "pid"}, {Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}, {Type: "cgroup"}},
			MaskedPaths: []string{
				"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
				"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/proc/nothing",
			},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// box is a started container.
type box struct {
	*launch.Child
	t       *testing.T
	out     *os.File
	console *os.File
}

// start launches a container up to the barrier.
func start(t *testing.T, spec *specs.Spec, change ...func(*launch.Request)) (*box, error) {
	t.Helper()
	p, h, err := compile.Container(spec, compile.Options{ID: "box", Bundle: spec.Root.Path})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	req := launch.Request{Plan: b}
	h.Apply(&req)
	if small {
		return launchBox(t, req, change...)
	}
	image := func(r *launch.Request) {
		if direct.CanBuild(r, p) {
			if err := direct.Build(r, p); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Image.File.Close() })
		}
	}
	return launchBox(t, req, append(slices.Clone(change), image)...)
}

// small says that new containers are built by the small program, as where an image fails: in the machine. Here they
// are built by images.
var small = os.Getenv(testenv.LaneVariable) == testenv.LaneV2

func launchBox(t *testing.T, req launch.Request, change ...func(*launch.Request)) (*box, error) {
	t.Helper()
	prog, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = prog.Close() }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	req.Program = prog
	req.Stdio = [3]*os.File{nil, w, w}
	for _, c := range change {
		c(&req)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	child, err := launch.Start(ctx, req)
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	bx := &box{Child: child, t: t, out: r}
	t.Cleanup(func() {
		_ = child.Signal(unix.SIGKILL)
		_, _ = child.Wait()
		_ = child.Close()
		_ = r.Close()
	})
	bx.console, err = child.Ready(ctx)
	return bx, err
}

// finish lets the program run and returns its output and exit code.
func (b *box) finish() (string, int) {
	b.t.Helper()
	if err := b.Exec(); err != nil {
		b.t.Fatalf("exec: %v", err)
	}
	out, err := io.ReadAll(b.out)
	if err != nil {
		b.t.Fatal(err)
	}
	st, err := b.Wait()
	if err != nil {
		b.t.Fatal(err)
	}
	return string(bytes.TrimSpace(out)), st.Code
}

// run runs a container to its end.
func run(t *testing.T, spec *specs.Spec, change ...func(*launch.Request)) (string, int) {
	t.Helper()
	b, err := start(t, spec, change...)
	if err != nil {
		t.Fatal(err)
	}
	return b.finish()
}

// join runs a program in a running container.
func (b *box) join(process *specs.Process, change ...func(*launch.Request)) (*box, error) {
	b.t.Helper()
	p, h, err := compile.Exec(process, compile.ExecOptions{})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	enc, err := p.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	req := launch.Request{Plan: enc, Join: &launch.JoinTarget{
		PIDFD: b.PIDFD(),
		Flags: unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP,
	}}
	return launchBox(b.t, req, change...)
}
