package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// client is a command of the manager on a terminal of its own.
type client struct {
	t    *testing.T
	cmd  *exec.Cmd
	pty  *os.File
	done chan error

	mu     sync.Mutex
	screen bytes.Buffer
}

// onTerminal starts a command on a new pseudo-terminal of the given size.
func onTerminal(t *testing.T, m *testenv.Manager, rows, columns uint16, args ...string) *client {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(ptmx.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile("/dev/pts/"+itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, pty: ptmx, done: make(chan error, 1)}
	c.resize(rows, columns)
	c.cmd = m.Command(context.Background(), args...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = tty, tty, tty
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	go c.watch()
	go func() { c.done <- c.cmd.Wait() }()
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = ptmx.Close() })
	return c
}

// watch keeps what appears on the terminal.
func (c *client) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := c.pty.Read(buf)
		c.mu.Lock()
		c.screen.Write(buf[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *client) resize(rows, columns uint16) {
	if err := unix.IoctlSetWinsize(int(c.pty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		c.t.Error(err)
	}
}

// keys types.
func (c *client) keys(text string) {
	c.t.Helper()
	if _, err := c.pty.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// sees waits until the text appears, and forgets what came up to it.
func (c *client) sees(text string) {
	c.t.Helper()
	for deadline := time.Now().Add(waiting); ; time.Sleep(20 * time.Millisecond) {
		c.mu.Lock()
		_, rest, found := bytes.Cut(c.screen.Bytes(), []byte(text))
		if found {
			rest = bytes.Clone(rest)
			c.screen.Reset()
			c.screen.Write(rest)
		}
		shown := c.screen.String()
		c.mu.Unlock()
		if found {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%v: no %q on the terminal: %q", c.cmd.Args[7:], text, shown)
		}
	}
}

// shows reports whether the text is on the terminal now.
func (c *client) shows(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.screen.Bytes(), []byte(text))
}

// asksSize has a shell wait until its terminal has that size, and print it. The words that are typed do not look like it.
func (c *client) asksSize(rows, columns int) {
	c.t.Helper()
	c.keys(fmt.Sprintf("until [ \"$(stty size)\" = \"$((%d)) $((%d))\" ]; do sleep 0.1; done; stty size\r", rows, columns))
}

// ends waits for the command's end and checks its exit code.
func (c *client) ends(code int) {
	c.t.Helper()
	select {
	case err := <-c.done:
		got := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		}
		if got != code {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("%v: exit code %d, want %d: %q", c.cmd.Args[7:], got, code, c.screen.String())
		}
	case <-time.After(waiting):
		c.t.Fatalf("%v: still runs", c.cmd.Args[7:])
	}
}

// plain reports whether the terminal echoes and waits for whole lines again.
func (c *client) plain() bool {
	state, err := unix.IoctlGetTermios(int(c.pty.Fd()), unix.TCGETS)
	return err == nil && state.Lflag&unix.ECHO != 0 && state.Lflag&unix.ICANON != 0
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// TestTerminal types into containers on real pseudo-terminals.
func TestTerminal(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	const detach = "\x10\x11" // ctrl-p ctrl-q

	t.Run("run, detach, attach twice, end", func(t *testing.T) {
		first := onTerminal(t, m, 30, 100, "run", "-it", "--name", "shell", "--network", "none", "busybox", "sh")
		first.keys("stty size; echo from-$((40+2))\r")
		first.sees("30 100")
		first.sees("from-42")
		first.resize(40, 120)
		first.asksSize(40, 120)
		first.sees("40 120")
		first.keys(detach)
		first.ends(0)
		if !first.plain() {
			t.Error("the terminal stays raw after detaching")
		}
		a := onTerminal(t, m, 24, 80, "attach", "shell")
		b := onTerminal(t, m, 24, 80, "attach", "--no-stdin", "shell")
		// Both are there once the second shows what was typed into the first.
		eventually(t, "the second client shows nothing", func() bool {
			a.keys("echo there-$((1+1))\r")
			time.Sleep(100 * time.Millisecond)
			return b.shows("there-2")
		})
		a.keys("echo both-$((1+1))\r")
		a.sees("both-2")
		b.sees("both-2")
		// The size is that of the client that changed its last.
		a.resize(33, 99)
		a.asksSize(33, 99)
		b.sees("33 99")
		b.resize(44, 88)
		a.asksSize(44, 88)
		a.sees("44 88")
		b.sees("44 88")
		b.keys("echo unheard-$((1+1))\r")
		a.keys("echo again-$((1+2)); exit 3\r")
		a.sees("again-3")
		b.sees("again-3")
		a.ends(3)
		b.ends(3)
		if strings.Contains(a.screen.String(), "unheard-2") || !a.plain() {
			t.Errorf("plain: %v, screen %q", a.plain(), a.screen.String())
		}
		m.MustRun(t, "rm", "shell")
	})

	t.Run("keys of one's own", func(t *testing.T) {
		m.MustRun(t, "run", "-dit", "--name", "keys", "--network", "none", "busybox", "sh")
		c := onTerminal(t, m, 24, 80, "attach", "--detach-keys", "ctrl-a,d", "keys")
		c.keys("echo up-$((1+1))\r")
		c.sees("up-2")
		c.keys(detach + "\x01d")
		c.ends(0)
		m.MustRun(t, "exec", "keys", "true")
		c = onTerminal(t, m, 24, 80, "exec", "-it", "keys", "sh")
		c.keys("tty; stty size; exit 4\r")
		c.sees("/dev/pts/")
		c.sees("24 80")
		c.ends(4)
		if !c.plain() {
			t.Error("the terminal stays raw after exec")
		}
		m.MustRun(t, "rm", "-f", "-t", "0", "keys")
	})

	t.Run("ctrl-c goes to the program", func(t *testing.T) {
		c := onTerminal(t, m, 24, 80, "run", "--rm", "-it", "--network", "none", "busybox", "sh", "-c", `trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done`)
		c.sees("ready")
		c.keys("\x03")
		c.sees("caught")
		c.ends(7)
	})

	t.Run("signals are passed on without a terminal", func(t *testing.T) {
		m.MustRun(t, "run", "-d", "--name", "sig", "--network", "none", "busybox", "sh", "-c", `trap 'exit 8' TERM; while :; do echo tick; sleep 0.1; done`)
		for _, proxied := range []bool{false, true} {
			cmd := m.Command(context.Background(), "attach", "--no-stdin", "--sig-proxy="+map[bool]string{true: "true", false: "false"}[proxied], "sig")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 1)); err != nil { // it is attached
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, out) }()
			if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			want := "running"
			if proxied {
				want = "exited 8"
				if code := cmd.ProcessState.ExitCode(); code != 8 {
					t.Errorf("attach: exit code %d, want 8", code)
				}
			}
			if got := m.MustRun(t, "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "sig"); !strings.HasPrefix(got, want) {
				t.Errorf("--sig-proxy=%v: %s, want %s", proxied, got, want)
			}
		}
		m.MustRun(t, "rm", "sig")
	})
}
