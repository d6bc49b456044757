package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// A restart by the policy stays a part of the service: the monitor passes its place on.
func TestNotifySocketRestart(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	cmd := m.Command(t.Context(), "run", "-d", "--name", "c", "--network", "none", "--sdnotify", "conmon", "--restart", "on-failure", "busybox",
		"sh", "-c", "until rm /tmp/end; do sleep 0.1; done 2>/dev/null; exit 1")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// heard waits until the present monitor was made the main process, and was ready.
	heard := func(which string) string {
		t.Helper()
		said, pid := map[string]bool{}, ""
		until(t, waiting, func() error {
			_ = socket.SetReadDeadline(time.Now().Add(time.Second))
			buf := make([]byte, 8192)
			if n, err := socket.Read(buf); err == nil {
				said[string(buf[:n])] = true
			}
			pid = strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{.State.ConmonPid}}", "c"))
			if !said["MAINPID="+pid] || !said["READY=1"] {
				return fmt.Errorf("the %s start says %v; the monitor is %s", which, said, pid)
			}
			return nil
		})
		return pid
	}
	first := heard("first")
	m.MustRun(t, "exec", "c", "touch", "/tmp/end")
	if second := heard("second"); second == first {
		t.Errorf("the main process is %s still", first)
	}
	m.MustRun(t, "rm", "-f", "-t", "0", "c")
}

// strictManager plays a service manager that listens to nobody but the main process, as systemd does of itself.
type strictManager struct {
	t    *testing.T
	conn *net.UnixConn
	// main is the pid of the main process; it changes with what that says.
	main int
	// mains counts those that were named.
	mains int
	// heard is how often each message came.
	heard map[string]int
}

func newStrictManager(t *testing.T, path string) *strictManager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set error
	if err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) }); err != nil || set != nil {
		t.Fatal(err, set)
	}
	return &strictManager{t: t, conn: conn, heard: map[string]int{}}
}

// listen takes what was said so far.
func (m *strictManager) listen() {
	m.t.Helper()
	for {
		_ = m.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		buf, oob := make([]byte, 8192), make([]byte, 256)
		n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			m.t.Fatal(err)
		}
		text := string(buf[:n])
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(messages) != 1 {
			m.t.Fatalf("%q came with %d messages, %v", text, len(messages), err)
		}
		from, err := unix.ParseUnixCredentials(&messages[0])
		if err != nil {
			m.t.Fatal(err)
		}
		if int(from.Pid) != m.main {
			m.t.Fatalf("%q comes from process %d, but the main process is %d", text, from.Pid, m.main)
		}
		m.heard[text]++
		if pid, ok := strings.CutPrefix(text, "MAINPID="); ok {
			if m.mains++; m.mains > 1 {
				m.t.Cleanup(reaper(m.main))
			}
			if m.main, err = strconv.Atoi(pid); err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

// reaper reaps a monitor that was the main process and so this process's child.
func reaper(pid int) func() { return func() { _, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) } }

// A service's container that is restarted again and again stays the service's, however often others look at it. To stop
// the service in the back-off is to stop the container, and the other way round.
func TestNotifySocketBackOff(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	path := filepath.Join(t.TempDir(), "notify")
	sm := newStrictManager(t, path)
	start := func() {
		t.Helper()
		cmd := m.Command(t.Context(), "run", "-d", "--name", "c", "--network", "none", "--sdnotify", "conmon", "--restart", "always", "busybox", "true")
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sm.main, sm.mains = cmd.Process.Pid, 0
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
	}
	start()
	// Each look would take the restart over from a monitor that does not hold it.
	state := func(want string) {
		t.Helper()
		until(t, waiting, func() error {
			sm.listen()
			if got := m.MustRun(t, "inspect", "--format", "{{if gt .RestartCount 5}}{{.State.Status}}{{end}}", "c"); got != want {
				return fmt.Errorf("the container is %q, want %s", got, want)
			}
			return nil
		})
	}
	state("restarting")
	sm.listen()
	if n := sm.heard["READY=1"]; n < 6 {
		t.Errorf("%d starts were ready: %v", n, sm.heard)
	}
	main := sm.main
	// As the service manager's children they are ours to reap.
	mainEnds := func() {
		t.Helper()
		var status syscall.WaitStatus
		until(t, waiting, func() error {
			if pid, err := syscall.Wait4(main, &status, syscall.WNOHANG, nil); pid != main {
				return fmt.Errorf("process %d lives: %v", main, err)
			}
			return nil
		})
		if !status.Exited() || status.ExitStatus() != 0 {
			t.Errorf("stopped, the main process ends with %#x", status)
		}
	}
	if err := syscall.Kill(main, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	mainEnds()
	state("exited")
	if sm.main != main {
		t.Errorf("the main process is %d, and was told to stop as %d", sm.main, main)
	}
	// So does a command that stops the container.
	m.MustRun(t, "rm", "c")
	start()
	state("restarting")
	main = sm.main
	m.MustRun(t, "stop", "c")
	mainEnds()
	state("exited")
	m.MustRun(t, "rm", "c")
}

// A container's program speaks to the service manager through its own socket, and is told of its watchdog; the
// monitor becomes the service's main process.
func TestNotifySocket(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	next := func() string {
		t.Helper()
		_ = socket.SetReadDeadline(time.Now().Add(waiting))
		buf := make([]byte, 8192)
		n, err := socket.Read(buf)
		if err != nil {
			t.Fatalf("no message: %v", err)
		}
		return string(buf[:n])
	}
	address := path
	serviced := func(args ...string) (string, int) {
		t.Helper()
		cmd := m.Command(t.Context(), args...)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+address, "WATCHDOG_USEC=5000000")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	started := func(args ...string) {
		t.Helper()
		if out, code := serviced(args...); code != 0 {
			t.Fatalf("%v: %d, %s", args, code, out)
		}
	}
	started("run", "-d", "--name", "c", "--network", "none", "--user", "7", "busybox", "sh", "-c", "echo $NOTIFY_SOCKET $WATCHDOG_USEC; test -S $NOTIFY_SOCKET && test -w $NOTIFY_SOCKET && echo there; sleep 1000")
	pid := strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{.State.ConmonPid}}", "c"))
	if got := next(); got != "MAINPID="+pid {
		t.Errorf("%q, want the monitor's pid %s", got, pid)
	}
	until(t, waiting, func() error {
		if got := m.MustRun(t, "logs", "c"); got != "/run/notify/notify.sock 5000000\nthere" {
			return fmt.Errorf("the program sees %q", got)
		}
		return nil
	})
	inside := filepath.Join("/proc", strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{.State.Pid}}", "c")), "root/run/notify/notify.sock")
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: inside, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("MAINPID=1\nREADY=1\nSTATUS=fine")); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "READY=1\nSTATUS=fine" {
		t.Errorf("passed on: %q", got)
	}
	_ = conn.Close()
	m.MustRun(t, "rm", "-f", "-t", "0", "c")
	// The others have no socket inside, and say themselves that they are ready.
	started("run", "-d", "--name", "c", "--network", "none", "--sdnotify", "conmon", "busybox", "sh", "-c", "test -z \"$NOTIFY_SOCKET$WATCHDOG_USEC\" && sleep 1000")
	if got := next() + " " + next(); !strings.HasPrefix(got, "MAINPID=") || !strings.HasSuffix(got, " READY=1") {
		t.Errorf("conmon: %q", got)
	}
	m.MustRun(t, "rm", "-f", "-t", "0", "c")
	// What nobody listens to, or is no address, is an error before the program runs; and no business of ignore's.
	for wrong, want := range map[string]string{path + "-gone": "no such file", "relative": "neither an absolute path"} {
		address = wrong
		out, code := serviced("run", "--rm", "--network", "none", "busybox", "true")
		if code != 125 || !strings.Contains(out, want) || !strings.Contains(out, "--sdnotify=ignore") {
			t.Errorf("%s: %d, %s", address, code, out)
		}
		started("run", "--rm", "--network", "none", "--sdnotify", "ignore", "busybox", "true")
	}
}

// Sockets of a service manager are handed to the program: at run and at start, and not to what is started for it.
func TestListenSockets(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	// The shell's pid is the program's: exec keeps it.
	activated := func(pid string, args ...string) (string, int) {
		t.Helper()
		words := append([]string{"-c", "export LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=" + pid + "; exec \"$@\"", "sh", m.Program}, m.Args(args...)...)
		cmd := exec.Command("sh", words...)
		cmd.Env, cmd.ExtraFiles = m.Command(t.Context()).Env, []*os.File{file}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	const look = "echo [$LISTEN_FDS,$LISTEN_PID,$LISTEN_FDNAMES]; test -S /proc/self/fd/3 && echo socket; test -e /proc/self/fd/4 && echo more; true"
	const given = "[1,1,web]\nsocket\n"
	if out, _ := activated("$$", "run", "--rm", "--network", "none", "busybox", "sh", "-c", look); out != given {
		t.Errorf("run: %q", out)
	}
	if out, _ := activated("1", "run", "--rm", "--network", "none", "busybox", "sh", "-c", look); out != "[,,]\n" {
		t.Errorf("meant for another process: %q", out)
	}
	m.MustRun(t, "create", "--name", "dep", "--network", "none", "busybox", "sh", "-c", look+"; sleep 1000")
	m.MustRun(t, "create", "--name", "c", "--network", "none", "--requires", "dep", "busybox", "sh", "-c", look)
	if out, _ := activated("$$", "start", "--attach", "c"); out != given {
		t.Errorf("start: %q", out)
	}
	until(t, waiting, func() error {
		if got := m.MustRun(t, "logs", "dep"); got != "[,,]" {
			return fmt.Errorf("the dependency got %q", got)
		}
		return nil
	})
	if out, code := activated("$$", "run", "--rm", "--init", "--network", "none", "busybox", "true"); code != 125 || !strings.Contains(out, "leave --init and --pid out") {
		t.Errorf("with an init: %d, %q", code, out)
	}
	m.MustRun(t, "rm", "-f", "-t", "0", "c")
	m.MustRun(t, "rm", "-f", "-t", "0", "dep")
}
