package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// builtDir is removed at the end.
var builtDir string

// buildProgram makes the real manager-monitor, once for all tests.
var buildProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "monitor-test")
	if err != nil {
		return "", err
	}
	builtDir = dir
	path := filepath.Join(dir, "manager-monitor")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "../../../cmd/manager-monitor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build manager-monitor: %w: %s", err, out)
	}
	return path, nil
})

// realFixture is a fixture whose init is a real container made of busybox.
type realFixture struct {
	*fixture
	spec *specs.Spec
}

func newReal(t *testing.T, args ...string) *realFixture {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	if _, err := os.Stat("/bin/busybox"); err != nil {
		t.Skip("needs a static /bin/busybox")
	}
	path, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	if f.opts.Program, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.opts.Program.Close() })
	f.opts.Args, f.opts.Env = nil, nil
	return &realFixture{fixture: f, spec: busyboxSpec(t, args)}
}

func busyboxSpec(t *testing.T, args []string) *specs.Spec {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"bin", "dev", "proc", "tmp"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, n := range strings.Fields("sh cat true sleep echo seq stty kill tty yes head") {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", n)); err != nil {
			t.Fatal(err)
		}
	}
	return &specs.Spec{
		Version: "1.2.0",
		Root:    &specs.Root{Path: root},
		Process: &specs.Process{Args: args, Cwd: "/", Env: []string{"PATH=/bin"}},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=755"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666", "mode=0620"}},
		},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "pid"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}}},
	}
}

func (f *realFixture) spawn() *monitor.Session {
	f.t.Helper()
	p, h, err := compile.Container(f.spec, compile.Options{Bundle: f.spec.Root.Path})
	if err != nil {
		f.t.Fatal(err)
	}
	defer h.Close()
	if f.opts.Launch.Plan, err = p.Encode(); err != nil {
		f.t.Fatal(err)
	}
	h.Apply(&f.opts.Launch)
	f.opts.Config.Terminal = f.spec.Process.Terminal
	f.opts.Config.Poststart, f.opts.Config.HookState = h.Poststart, h.State
	s, err := monitor.Spawn(f.ctx(), f.opts)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.Release(); f.killLeft() })
	return s
}

func startTime(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))[19], 10, 64)
}

func (f *realFixture) start() *monitor.Session {
	f.t.Helper()
	s := f.spawn()
	if _, err := s.Start(f.ctx()); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func TestRealRun(t *testing.T) {
	f := newReal(t, "sh", "-c", "echo $$; echo err >&2; exit 5")
	s := f.spawn()
	var out, errs output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &out, Stderr: &errs})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	res, err := a.Wait(f.ctx())
	if err != nil || res.Exit.Code != 5 || out.String() != "1\n" || errs.String() != "err\n" {
		t.Errorf("%+v, %v, output %q, %q", res.Exit, err, out.String(), errs.String())
	}
}

func TestRealFailure(t *testing.T) {
	f := newReal(t, "/no/such/program")
	_, err := f.spawn().Start(f.ctx())
	var fail *launch.Failure
	if !errors.As(err, &fail) || fail.ExitCode() != 127 {
		t.Errorf("start: %v", err)
	}
}

func TestRealTerminal(t *testing.T) {
	f := newReal(t, "sh", "-c", "tty; stty size; until stty size | grep -q 33; do sleep 0.01; done; stty size; read x; echo got $x")
	f.spec.Process.Terminal = true
	f.opts.Config.ConsoleRows, f.opts.Config.ConsoleColumns = 11, 22
	s := f.spawn()
	var out output
	in, typed, _ := os.Pipe()
	resize := make(chan monitor.Size)
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdin: in, Stdout: &out, Resize: resize})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	f.eventually("no size", func() bool { return strings.Contains(out.String(), "11 22") })
	resize <- monitor.Size{Rows: 33, Columns: 44}
	f.eventually("no other size", func() bool { return strings.Contains(out.String(), "33 44\r\n") })
	_, _ = typed.WriteString("word\n")
	if _, err := a.Wait(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "/dev/") || !strings.HasSuffix(got, "33 44\r\nword\r\ngot word\r\n") {
		t.Errorf("output %q", got)
	}
}

// TestRealExactness compares 200,000 lines at the client and in the log.
func TestRealExactness(t *testing.T) {
	f := newReal(t, "seq", "200000")
	var want bytes.Buffer
	for i := range 200000 {
		fmt.Fprintln(&want, i+1)
	}
	s := f.spawn()
	var out output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &out, Lossless: true})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Wait(f.ctx()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes in %v", want.Len(), time.Since(begin))
	if out.String() != want.String() {
		t.Errorf("the client got %d bytes, not %d", len(out.String()), want.Len())
	}
	if got := f.logText("stdout"); got != want.String() {
		t.Errorf("the log has %d bytes, not %d", len(got), want.Len())
	}
}

// TestRealIdleMemory holds idle monitors against the budget. Shared pages are counted by share,
// so few monitors look dearer than many.
func TestRealIdleMemory(t *testing.T) {
	const n = 20
	var fs []*realFixture
	for range n {
		f := newReal(t, "sleep", "60")
		f.start().Release()
		fs = append(fs, f)
	}
	time.Sleep(2 * idleAfter)
	sum := 0
	for _, f := range fs {
		live, err := monitor.ReadLive(f.dir)
		if err != nil {
			t.Fatal(err)
		}
		sum += pss(t, live.MonitorPID)
	}
	live, _ := monitor.ReadLive(fs[0].dir)
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", live.MonitorPID))
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", live.MonitorPID))
	t.Logf("%d kB PSS each with %d running, %d threads\n%s", sum/n, n, len(threads), b)
	if sum/n > 1100 {
		t.Errorf("%d kB PSS each", sum/n)
	}
}

func pss(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == "Pss:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	t.Fatalf("no Pss of %d", pid)
	return 0
}
