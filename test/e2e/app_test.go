package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// runInput runs a command with something to read on its standard input.
func runInput(t *testing.T, m *testenv.Manager, input string, args ...string) testenv.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := m.Command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("manager %s: %v", strings.Join(args, " "), err)
	}
	return testenv.Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// until repeats check until it has nothing to object, for as long as limit.
func until(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", limit, err)
		}
	}
}

// freePort finds a loopback port that nobody uses.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// expect compares the output of a command.
func expect(t *testing.T, m *testenv.Manager, want string, args ...string) {
	t.Helper()
	if got := m.MustRun(t, args...); got != want {
		t.Errorf("manager %s: got %q, want %q", strings.Join(args, " "), got, want)
	}
}

// failed makes an error of a command that did not succeed.
func failed(r testenv.Result) error {
	if r.Code == 0 {
		return nil
	}
	return fmt.Errorf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
}
