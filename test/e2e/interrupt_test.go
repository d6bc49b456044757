package e2e

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
)

// interruptLimit is how long a command may go on after the first signal: a second by itself, and
// the rest for a machine that is busy with other tests.
const interruptLimit = 10 * time.Second

// interrupted starts a command, sends it the signal when ready says so, and wants it to end soon
// with 128+n, one line, and nothing left of its work.
func interrupted(t *testing.T, m *testenv.Manager, sig syscall.Signal, ready func() error, args ...string) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := m.Command(context.Background(), args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	until(t, waiting, ready)
	select {
	case err := <-done:
		t.Fatalf("%s ended before the signal: %v %s", strings.Join(args, " "), err, errOut.String())
	default:
	}
	begin := time.Now()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		took := time.Since(begin)
		t.Logf("%s: ended %v after the signal: %s", strings.Join(args, " "), took, errOut.String())
		if took > interruptLimit {
			t.Errorf("it took %v to end", took)
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 128+int(sig) {
			t.Errorf("it ended with %v, want exit code %d", err, 128+int(sig))
		}
	case <-time.After(waiting):
		_ = cmd.Process.Kill()
		t.Fatalf("%s goes on after %v: %v", strings.Join(args, " "), sig, <-done)
	}
	if n := strings.Count(errOut.String(), "Error: "); out.Len() > 0 || n != 1 || !strings.HasSuffix(errOut.String(), "interrupted\n") {
		t.Errorf("it printed %q and %q", out.String(), errOut.String())
	}
	nothingStored(t, m)
}

// asked waits for a request.
func asked(reg *registry.Registry, method, path string) func() error {
	return func() error {
		if len(reg.Requests(method, path)) == 0 {
			return errors.New("nothing was asked of the registry")
		}
		return nil
	}
}

// TestInterrupt ends transfers at their slow places.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	reg, name := served(t, m, registry.Options{})
	for what, fault := range map[string]registry.Fault{
		"slow blob":        {Method: "GET", Path: blobs, Answer: registry.Slow(200*time.Millisecond, 10)},
		"slow manifest":    {Method: "GET", Path: manifests, Answer: registry.Slow(200*time.Millisecond, 1)},
		"long Retry-After": {Method: "GET", Path: manifests, Answer: registry.TooMany(time.Hour)},
		"pause of a retry": {Method: "GET", Path: manifests, Answer: registry.Error(503, "UNAVAILABLE")},
	} {
		t.Run(what, func(t *testing.T) {
			reg.Reset()
			reg.Fail(fault)
			interrupted(t, m, syscall.SIGINT, asked(reg, fault.Method, fault.Path), "pull", "-q", "--retry-delay", "20s", name)
		})
	}
	reg.Reset()
	for what, layer := range map[string][]byte{
		"incompressible": evil.Layer(evil.File("noise", noise(96<<20), 0o644)),
		"many files":     evil.Layer(manyFiles(60_000)...),
	} {
		t.Run("load "+what, func(t *testing.T) {
			archive := filepath.Join(t.TempDir(), "big.tar.gz")
			if err := evil.DockerArchive(archive, evil.Image{Name: "localhost/big:1", Layers: [][]byte{layer}}); err != nil {
				t.Fatal(err)
			}
			interrupted(t, m, syscall.SIGTERM, extracting(m), "load", "-q", "-i", archive)
		})
	}
	m.MustRun(t, "pull", "-q", name)
}

// extracting waits until a layer is on its way into the store.
func extracting(m *testenv.Manager) func() error {
	return func() error {
		for _, place := range []string{"overlay/staging/*", "overlay/tempdirs/*", "overlay/*/diff/*"} {
			if found, _ := filepath.Glob(filepath.Join(m.Root, place)); len(found) > 0 {
				return nil
			}
		}
		return errors.New("nothing is being extracted")
	}
}

func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return string(b)
}

func manyFiles(n int) []evil.Entry {
	list := make([]evil.Entry, n)
	for i := range list {
		list[i] = evil.File("f"+itoa(i), "x", 0o644)
	}
	return list
}
