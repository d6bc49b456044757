package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// cmdTerminal runs the program on a pseudo-terminal, as its controlling terminal, and plays
// the steps of a file: "expect REGEXP" waits for new output, "send TEXT" types a Go string
// without its quotes, "resize ROWSxCOLUMNS" changes the window. The screen's bytes become stdout.
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 4, "terminal CODE ROWSxCOLUMNS STEPS ARG...")
	t, err := startTerminal(of(ts).Command(context.Background(), args[3:]...), args[1])
	ts.Check(err)
	ts.Defer(t.close)
	for n, line := range strings.Split(strings.TrimSpace(ts.ReadFile(args[2])), "\n") {
		if err := t.step(line); err != nil {
			fmt.Fprint(ts.Stdout(), t.text())
			ts.Fatalf("%s:%d: %v", args[2], n+1, err)
		}
	}
	code, err := t.wait()
	fmt.Fprint(ts.Stdout(), t.text())
	ts.Check(err)
	if want := number(ts, args[0]); code != want {
		ts.Fatalf("manager %s: exit code %d, want %d", strings.Join(args[3:], " "), code, want)
	}
}

// terminal is a program on a pseudo-terminal.
type terminal struct {
	master *os.File
	cmd    *exec.Cmd
	done   chan error

	mu   sync.Mutex
	out  bytes.Buffer
	seen int // where the next expect begins
}

// startTerminal starts cmd on a new pseudo-terminal of the given size.
func startTerminal(cmd *exec.Cmd, size string) (*terminal, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	t := &terminal{master: master, cmd: cmd, done: make(chan error, 1)}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0), t.resize(size)); err != nil {
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
func (t *terminal) read() {
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

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(t.out.String(), "\r", "")
}

// step plays one line.
func (t *terminal) step(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "expect":
		return t.expect(arg)
	case "resize":
		return t.resize(arg)
	case "send":
		text, err := strconv.Unquote(`"` + arg + `"`)
		if err == nil {
			_, err = t.master.WriteString(text)
		}
		return err
	}
	return fmt.Errorf("unknown step %q", line)
}

// expect waits until the output after the last match matches.
func (t *terminal) expect(pattern string) error {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(waiting); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
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
	return fmt.Errorf("no %q after %v", pattern, waiting)
}

func (t *terminal) resize(size string) error {
	var w unix.Winsize
	if _, err := fmt.Sscanf(size, "%dx%d", &w.Row, &w.Col); err != nil {
		return fmt.Errorf("size %q: %w", size, err)
	}
	return unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, &w)
}

// wait returns the program's exit code.
func (t *terminal) wait() (int, error) {
	select {
	case err := <-t.done:
		t.done <- err
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode(), nil
		}
		return 0, err
	case <-time.After(waiting):
		return -1, fmt.Errorf("it still runs after %v", waiting)
	}
}

// close ends the program if it still runs.
func (t *terminal) close() {
	_ = t.cmd.Process.Kill()
	_ = t.master.Close()
}
