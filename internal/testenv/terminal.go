package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// screenTime is how long a program may take to show what is expected, or to end.
const screenTime = 20 * time.Second

// Terminal is a program on a pseudo-terminal that is its controlling terminal.
type Terminal struct {
	master *os.File
	cmd    *exec.Cmd
	done   chan error

	mu   sync.Mutex
	out  bytes.Buffer
	seen int // where the next expect begins
}

// StartTerminal starts cmd on a new pseudo-terminal of the given size, "ROWSxCOLUMNS". The
// caller closes it.
func StartTerminal(cmd *exec.Cmd, size string) (*Terminal, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	t := &Terminal{master: master, cmd: cmd, done: make(chan error, 1)}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0), t.Resize(size)); err != nil {
		return nil, errors.Join(err, master.Close())
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, master.Close())
	}
	go t.read()
	go func() { t.done <- cmd.Wait() }()
	return t, nil
}

// read gathers the screen's bytes until the last holder of the terminal is gone.
func (t *Terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := t.master.Read(buf)
		t.mu.Lock()
		t.out.Write(buf[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Text is what the program has shown so far, without carriage returns.
func (t *Terminal) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(t.out.String(), "\r", "")
}

// Expect waits until the output after the last match matches the regular expression.
func (t *Terminal) Expect(pattern string) error {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(screenTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		t.mu.Lock()
		at := match.FindIndex(t.out.Bytes()[t.seen:])
		if at != nil {
			t.seen += at[1]
		}
		t.mu.Unlock()
		if at != nil {
			return nil
		}
	}
	return fmt.Errorf("no %q after %v", pattern, screenTime)
}

// Resize changes the window to "ROWSxCOLUMNS"; the program gets SIGWINCH.
func (t *Terminal) Resize(size string) error {
	var w unix.Winsize
	if _, err := fmt.Sscanf(size, "%dx%d", &w.Row, &w.Col); err != nil {
		return fmt.Errorf("size %q: %w", size, err)
	}
	return unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, &w)
}

// Wait returns the program's exit code.
func (t *Terminal) Wait() (int, error) {
	select {
	case err := <-t.done:
		t.done <- err
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), nil
		}
		return 0, err
	case <-time.After(screenTime):
		return -1, fmt.Errorf("it still runs after %v", screenTime)
	}
}

// Ended says whether the program has ended.
func (t *Terminal) Ended() bool {
	select {
	case err := <-t.done:
		t.done <- err
		return true
	default:
		return false
	}
}

// Send types the text.
func (t *Terminal) Send(text string) error {
	_, err := t.master.WriteString(text)
	return err
}

// Close ends the program if it still runs.
func (t *Terminal) Close() {
	_ = t.cmd.Process.Kill()
	_ = t.master.Close()
}
