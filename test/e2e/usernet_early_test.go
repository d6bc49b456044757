package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// slowPasta is a pasta that makes an interface's routes, says so in a file, and takes its time then.
// It is called pasta in the list of processes, as the real one.
const slowPasta = `#!/bin/bash
[ -n "$again" ] || again=1 exec -a pasta /bin/bash "$0" "$@"
for ns; do :; done
nsenter --net="$ns" sh -ec 'ip link set lo up; ip route add default dev lo; ip -6 route add default dev lo'
sleep 1000 &
echo $$ $! >"$HOME/slow"
while [ ! -e "$HOME/fail" ]; do sleep 0.05; done
kill $!
echo no room for tables >&2
exit 1
`

// withSlowPasta makes it the one that is found; begun returns its processes once it has made the routes.
func withSlowPasta(t *testing.T, m *testenv.Manager) (dir string, begun func() []int) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pasta"), []byte(slowPasta), 0o755); err != nil {
		t.Fatal(err)
	}
	m.Env = append(m.Env, "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
	return dir, func() (pids []int) {
		until(t, time.Minute, func() error {
			text, err := os.ReadFile(filepath.Join(dir, "slow"))
			if err == nil && !strings.HasSuffix(string(text), "\n") {
				err = os.ErrNotExist
			}
			for _, word := range strings.Fields(string(text)) {
				pid, _ := strconv.Atoi(word)
				pids = append(pids, pid)
			}
			return err
		})
		return pids
	}
}

// A program whose starter stays with it begins when its interface has routes. One that ends before pasta is ready does not wait for
// it, and takes it along.
func TestUsernetEarly(t *testing.T) {
	m, _ := usernet(t)
	dir, begun := withSlowPasta(t, m)
	if got := m.MustRun(t, "run", "--rm", "--network", "pasta", "busybox", "sh", "-c", "ip route; ip -6 route"); strings.Count(got, "default dev lo") != 2 {
		t.Errorf("its routes are %s", got)
	}
	for _, pid := range begun() {
		ended(t, pid)
	}
	noNetwork(t, m, "ended before")
	if got := m.MustRun(t, "ps", "-aq"); got != "" {
		t.Errorf("left: %s", got)
	}
	if err := os.Remove(filepath.Join(dir, "slow")); err != nil {
		t.Fatal(err)
	}
	// A command that is killed leaves a network on its way, which ends with the container.
	ctx, cancel := context.WithCancel(t.Context())
	cmd := m.Command(ctx, "run", "--name", "x", "--network", "pasta", "busybox", "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, time.Minute, func() error {
		if m.Run("exec", "x", "true").Code != 0 {
			return os.ErrNotExist
		}
		return nil
	})
	cancel()
	_ = cmd.Wait()
	if got := m.MustRun(t, "ps", "--format", "{{.Names}} {{.State}}"); got != "x running" {
		t.Errorf("after its starter was killed: %s", got)
	}
	all := begun()
	if err := unix.Kill(all[0], 0); err != nil {
		t.Errorf("pasta is gone: %v", err)
	}
	m.MustRun(t, "rm", "-f", "-t", "0", "x")
	ended(t, all[0])
	noNetwork(t, m, "removed")
	_ = unix.Kill(all[1], unix.SIGKILL) // the real one has no other process
}

// A program that has begun and gets no network is ended, and the start has failed; one whose starter does not stay has not begun.
func TestUsernetLateFailure(t *testing.T) {
	m, _ := usernet(t)
	dir, begun := withSlowPasta(t, m)
	fail := func() {
		if err := os.WriteFile(filepath.Join(dir, "fail"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--network", "pasta", "busybox", "sh", "-c", "echo begun; exec sleep 1000"}
	stdout, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdout.Close() }()
	cmd := m.Command(t.Context(), append([]string{"run", "--rm", "--name", "x"}, args...)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = w, &said
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := stdout.Read(make([]byte, 16)); n != len("begun\n") {
		t.Fatalf("it has not begun: %s", said.String())
	}
	fail()
	_ = cmd.Wait()
	if code(cmd) != 125 || !strings.Contains(said.String(), "no room for tables") {
		t.Errorf("exit code %d: %s", code(cmd), said.String())
	}
	if got := m.MustRun(t, "ps", "-aq"); got != "" {
		t.Errorf("left: %s", got)
	}
	for _, pid := range begun() {
		ended(t, pid)
	}
	noNetwork(t, m, "failed late")
	fails(t, m, append([]string{"run", "-d", "--name", "y"}, args...), "no room for tables")
	if got := m.MustRun(t, "logs", "y"); got != "" {
		t.Errorf("it has begun: %s", got)
	}
	m.MustRun(t, "rm", "y")
}
