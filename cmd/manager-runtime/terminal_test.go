package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

func withTerminal(s *specs.Spec) { s.Process.Terminal = true }

// receiver listens on a stream socket and returns its path and a function that waits for one descriptor.
func receiver(t *testing.T, o *testenv.OCI, name string) (path string, receive func() *os.File) {
	t.Helper()
	path = filepath.Join(o.Dir, name)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return path, func() *os.File {
		t.Helper()
		_ = l.SetDeadline(time.Now().Add(20 * time.Second))
		conn, err := l.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		oob, buf := make([]byte, unix.CmsgSpace(4)), make([]byte, 4096)
		n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
		if err != nil || n == 0 {
			t.Fatalf("%d bytes, %v", n, err)
		}
		msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(msgs) != 1 {
			t.Fatalf("%v, %v", msgs, err)
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			t.Fatalf("%v, %v", fds, err)
		}
		_ = unix.SetNonblock(fds[0], true)
		f := os.NewFile(uintptr(fds[0]), name)
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
}

// expect reads lines of a terminal until one has the words.
func expect(t *testing.T, f *os.File, words string) {
	t.Helper()
	_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
	var seen strings.Builder
	buf := make([]byte, 1024)
	for !strings.Contains(seen.String(), words) {
		n, err := f.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("no %q in %q: %v", words, seen.String(), err)
		}
	}
}

func TestConsoleSocket(t *testing.T) {
	o := newRuntime(t)
	path, receive := receiver(t, o, "console")
	sized := func(s *specs.Spec) {
		withTerminal(s)
		s.Process.ConsoleSize = &specs.Box{Height: 11, Width: 22}
		s.Process.User.UID = 5
	}
	bundle := o.Bundle(t, "c", []string{"sh", "-c", "tty; stty size; stat -c 'owner %u' /dev/pts/0; cat"}, sized)
	o.Must(t, "create", "--bundle", bundle, "--console-socket", path, "c")
	master := receive()
	o.Must(t, "start", "c")
	expect(t, master, "/dev/pts/0\r\n11 22\r\nowner 5")
	if _, err := master.WriteString("echoed\n"); err != nil {
		t.Fatal(err)
	}
	expect(t, master, "echoed\r\nechoed")

	path, receive = receiver(t, o, "exec")
	o.Must(t, "exec", "--detach", "--tty", "--console-socket", path, "c", "sh", "-c", "tty; sleep 1000")
	expect(t, receive(), "/dev/pts/1")

	path, receive = receiver(t, o, "run")
	o.Must(t, "run", "--detach", "--bundle", o.Bundle(t, "r", []string{"sh", "-c", "tty; sleep 1000"}, withTerminal), "--console-socket", path, "r")
	expect(t, receive(), "/dev/pts/0")
}

func TestConsoleConflicts(t *testing.T) {
	o := newRuntime(t)
	with, without := o.Bundle(t, "t", sleeper, withTerminal), o.Bundle(t, "n", sleeper)
	o.Refused(t, 1, "cannot allocate tty if runtime will detach without setting console socket", "create", "--bundle", with, "t")
	o.Refused(t, 1, "cannot allocate tty if runtime will detach without setting console socket", "run", "-d", "--bundle", with, "t")
	o.Refused(t, 1, "cannot use console socket if runtime will not detach or allocate tty", "create", "--bundle", without, "--console-socket", "/x", "n")
	o.Refused(t, 1, "cannot use console socket if runtime will not detach or allocate tty", "run", "--bundle", with, "--console-socket", "/x", "t")
	o.Refused(t, 1, "send console to "+filepath.Join(o.Dir, "nobody"), "create", "--bundle", with, "--console-socket", filepath.Join(o.Dir, "nobody"), "t")
	nothing(t, o, "after refusals")
}

// pty is a terminal that a command may have as its own.
func pty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs pseudo-terminals: ", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.SetNonblock(int(master.Fd()), true)
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = master.Close()
	_ = unix.SetNonblock(fd, true)
	master = os.NewFile(uintptr(fd), "master")
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	return master, slave
}

// TestForegroundTerminal types into run and exec: keys reach the program raw, sizes follow, and the
// caller's terminal is as before afterwards.
func TestForegroundTerminal(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	script := `stty size; trap "stty size; exit 9" WINCH; echo ready; while :; do sleep 0.05; done`
	for verb, args := range map[string][]string{
		"run":  {"run", "--bundle", o.Bundle(t, "r", []string{"sh", "-c", script}, withTerminal), "r"},
		"exec": {"exec", "-t", "c", "sh", "-c", script},
	} {
		master, slave := pty(t)
		size := func(rows, columns uint16) {
			if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
				t.Fatal(err)
			}
		}
		size(31, 41)
		before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		cmd := o.Command(t.Context(), args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		expect(t, master, "31 41\r\nready")
		size(32, 42)
		expect(t, master, "32 42")
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 9 {
			t.Errorf("%s: %v", verb, err)
		}
		after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil || *after != *before {
			t.Errorf("%s: the terminal is not as before: %+v, %v", verb, after, err)
		}
	}
}

// TestInterruptKey types Ctrl-C, which the program's own terminal makes a signal of.
func TestInterruptKey(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	master, slave := pty(t)
	cmd := o.Command(t.Context(), "exec", "-t", "c", "sh", "-c", "echo ready; sleep 1000; echo rest")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	expect(t, master, "ready")
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v", err)
	}
}

func TestPIDFDSocket(t *testing.T) {
	o := newRuntime(t)
	path, receive := receiver(t, o, "pidfd")
	pidOf := func(f *os.File) string {
		t.Helper()
		info, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = info.Close() }()
		for s := bufio.NewScanner(info); s.Scan(); {
			if v, ok := strings.CutPrefix(s.Text(), "Pid:\t"); ok {
				return v
			}
		}
		return ""
	}
	o.Must(t, "create", "--bundle", o.Bundle(t, "c", sleeper), "--pidfd-socket", path, "--pid-file", filepath.Join(o.Dir, "pid"), "c")
	want, _ := os.ReadFile(filepath.Join(o.Dir, "pid"))
	if got := pidOf(receive()); got != string(want) || got != fmt.Sprint(o.State(t, "c")["pid"]) {
		t.Errorf("create: the pidfd is of %s, the pid file says %s", got, want)
	}
	o.Must(t, "start", "c")
	path, receive = receiver(t, o, "pidfd2")
	o.Must(t, "exec", "-d", "--pidfd-socket", path, "--pid-file", filepath.Join(o.Dir, "pid"), "c", "sleep", "999")
	want, _ = os.ReadFile(filepath.Join(o.Dir, "pid"))
	if got := pidOf(receive()); got != string(want) {
		t.Errorf("exec: the pidfd is of %s, the pid file says %s", got, want)
	}
	_ = os.Remove(filepath.Join(o.Dir, "pid"))
}
