package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/internal/testenv"
)

// The program under test is this test program itself: under the name manager-runtime it is the command
// line, with the points of internal/fault armed as the environment says:
//
//	RUNTIME_FAIL=P    the step behind point P fails
//	RUNTIME_KILL=N    SIGKILL to itself at the Nth point it passes
//	RUNTIME_POINTS=F  write the names of the points to the file F
//	RUNTIME_NPROC=N   let its user have N processes, RLIMIT_NPROC

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == name {
		arm()
		main()
	}
	if root := os.Getenv(tracedRoot); root != "" {
		if err := traceMain(root, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "trace:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

func arm() {
	if n, err := strconv.ParseUint(os.Getenv("RUNTIME_NPROC"), 10, 64); err == nil {
		if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			panic(err)
		}
	}
	fail, points := os.Getenv("RUNTIME_FAIL"), os.Getenv("RUNTIME_POINTS")
	kill, _ := strconv.ParseInt(os.Getenv("RUNTIME_KILL"), 10, 64)
	if fail == "" && points == "" && kill == 0 {
		return
	}
	var passed atomic.Int64
	fault.Arm(func(point string) error {
		if passed.Add(1) == kill {
			fmt.Fprintf(os.Stderr, "killed at %q\n", point)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		if points != "" {
			f, err := os.OpenFile(points, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
			if err != nil {
				panic(err)
			}
			fmt.Fprintln(f, point)
			_ = f.Close()
		}
		if point == fail {
			return fmt.Errorf("injected at %q", point)
		}
		return nil
	})
}

// built is the folder with this program as manager-runtime and the small program beside it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// newRuntime prepares a runtime whose program can be made to fail and be killed. The test runs beside
// others: they wait most of their time, for the host's first process to collect ended ones.
func newRuntime(t *testing.T, global ...string) *testenv.OCI {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs containers, a minute for all: make test does")
	}
	t.Parallel()
	built.once.Do(func() { built.dir, built.err = buildPrograms() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return testenv.NewOCI(t, filepath.Join(built.dir, name), global...)
}

func buildPrograms() (string, error) {
	dir, err := os.MkdirTemp("", "manager-runtime-test")
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return dir, err
	}
	if err := copyProgram(self, filepath.Join(dir, name)); err != nil {
		return dir, err
	}
	return dir, buildStatic("../manager-monitor", filepath.Join(dir, "manager-monitor"))
}

// buildStatic builds a program that needs no libraries, as containers have none.
func buildStatic(pkg, path string) error {
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

func copyProgram(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// lines are the lines of a text without the empty ones.
func lines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
}

// wait waits until something has come true.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}
