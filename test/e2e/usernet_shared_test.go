package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// choose makes a driver the default of containers.conf.
func choose(t *testing.T, m *testenv.Manager, driver string) {
	t.Helper()
	path := filepath.Join(m.Dir, "network.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, "[network]\ndefault_rootless_network_cmd = %q\n", driver), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Env = append(m.Env, "CONTAINERS_CONF_OVERRIDE="+path)
}

// inShared is a command in the user's shared network that is yet to be started.
func inShared(t *testing.T, m *testenv.Manager, argv ...string) *exec.Cmd {
	t.Helper()
	return m.Command(t.Context(), append([]string{"unshare", "--rootless-netns"}, argv...)...)
}

// says runs such a command with the words for a peer, and returns what it prints.
func says(t *testing.T, m *testenv.Manager, words string, argv ...string) string {
	t.Helper()
	cmd := inShared(t, m, argv...)
	cmd.Env = append(cmd.Environ(), peerVariable+"="+words)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

// nothingShared wants nothing of the shared network to be left.
func nothingShared(t *testing.T, m *testenv.Manager, when string) {
	t.Helper()
	noNetwork(t, m, when)
	if left, err := filepath.Glob(m.TmpDir + "/rootless-netns*"); err != nil || len(left) > 0 {
		t.Errorf("%s: left %v, %v", when, left, err)
	}
	if r := m.Run("unshare", "grep", "rootless-netns", "/proc/self/mountinfo"); r.Code != 1 {
		t.Errorf("%s: mounts left:\n%s%s", when, r.Stdout, r.Stderr)
	}
}

// serve starts a server in the shared network and waits until another command there reaches it.
func serve(t *testing.T, m *testenv.Manager, self string, port int) *exec.Cmd {
	t.Helper()
	cmd := inShared(t, m, self)
	cmd.Env = append(cmd.Environ(), fmt.Sprintf("%s=tcp:%d", peerVariable, port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if got := says(t, m, fmt.Sprintf("dial:127.0.0.1:%d", port), self); got != "127.0.0.1" {
		t.Fatalf("the server on the shared loopback device sees %q", got)
	}
	return cmd
}

// code waits for a command's end, and is its exit code.
func code(cmd *exec.Cmd) int {
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// ended waits for the end of a process that is nobody's child.
func ended(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not end", pid)
		}
	}
}

// killHolder kills who keeps the user's namespaces, and waits for its end.
func killHolder(t *testing.T, m *testenv.Manager) {
	t.Helper()
	namespace := []string{"unshare", "readlink", "/proc/self/ns/user"}
	before := m.MustRun(t, namespace...)
	kill(t, m.MustRun(t, "unshare", "sh", "-c", `sed 's/.*"pid":\([0-9]*\).*/\1/' "$XDG_RUNTIME_DIR/manager-namespace.json"`))
	for deadline := time.Now().Add(time.Minute); m.MustRun(t, namespace...) == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the namespaces are the same")
		}
	}
}

// A command in the shared network has a container's address, the way out and the names; those that run at the same time share it, and
// the last takes it down.
func TestUsernetShared(t *testing.T) {
	nameServer(t, hostIP4)
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			m, self := usernet(t)
			if os.Geteuid() == 0 {
				fails(t, m, []string{"unshare", "--rootless-netns", "true"}, "root has no user namespace")
				return
			}
			choose(t, m, driver)
			out := says(t, m, "", "sh", "-c", "ip address; ip route; cat /etc/resolv.conf /etc/hosts; getent hosts name.example")
			contains(t, out, "inet 127.0.0.1/8", "inet 10.0.2.100/24", "default via 10.0.2.2 ", "nameserver 10.0.2.",
				hostIP4+"\thost.containers.internal", "203.0.113.1 ")
			if got := says(t, m, "dial:host.containers.internal:8095", self); got != hostIP4 {
				t.Errorf("the host sees %q", got)
			}
			nothingShared(t, m, "after two, one by one")

			first, second := serve(t, m, self, 80), serve(t, m, self, 81)
			refuses(t, "127.0.0.1:80")
			if n := len(networkProcesses(t, m)); n != 1 {
				t.Errorf("%d processes carry the network", n)
			}
			// Each is told to end by its manager. The second server stays in its network.
			_ = first.Process.Signal(unix.SIGTERM)
			if got := code(first); got != 128+int(unix.SIGTERM) {
				t.Errorf("the first one's exit code is %d", got)
			}
			if got := says(t, m, "dial:127.0.0.1:81", self); got != "127.0.0.1" {
				t.Errorf("after the first one's end, the second one sees %q", got)
			}
			_ = second.Process.Signal(unix.SIGTERM)
			if got := code(second); got != 128+int(unix.SIGTERM) {
				t.Errorf("the second one's exit code is %d", got)
			}
			nothingShared(t, m, "after the last")
		})
	}
}

// What a kill of the command, of who carries the network, or of who keeps the namespaces leaves is replaced by the next command, and
// taken away by migrate.
func TestUsernetSharedKilled(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			m, self := usernet(t)
			choose(t, m, driver)
			works := func(when string) {
				t.Helper()
				if got := says(t, m, "dial:"+hostIP4+":8095", self); got != hostIP4 {
					t.Errorf("%s: the host sees %q", when, got)
				}
				nothingShared(t, m, when)
			}
			began := time.Now()
			works("at first")
			whole := time.Since(began)
			const tries = 8
			for i := range tries {
				ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i+1)/tries)
				_ = m.Command(ctx, "unshare", "--rootless-netns", "true").Run() // CommandContext kills it
				cancel()
				works(fmt.Sprintf("killed after %d of %d", i+1, tries))
			}

			kill(t, fmt.Sprint(serve(t, m, self, 80).Process.Pid))
			works("after a user was killed")

			user := serve(t, m, self, 80)
			for _, p := range networkProcesses(t, m) {
				kill(t, fmt.Sprint(p.PID))
				ended(t, p.PID)
			}
			works("after who carries it was killed") // in another network than the server's
			_ = user.Process.Signal(unix.SIGTERM)
			code(user)
			nothingShared(t, m, "after its user left, too")

			user = serve(t, m, self, 80)
			killHolder(t, m)
			works("after who keeps the namespaces was killed")
			_ = user.Process.Signal(unix.SIGTERM)
			code(user)
			nothingShared(t, m, "after its user left, too")

			user = serve(t, m, self, 80)
			if err := os.Remove(filepath.Join(m.TmpDir, "rootless-netns/network.json")); err != nil {
				t.Fatal(err)
			}
			_ = user.Process.Signal(unix.SIGTERM)
			code(user)
			nothingShared(t, m, "without the record")

			kill(t, fmt.Sprint(serve(t, m, self, 80).Process.Pid))
			m.MustRun(t, "system", "migrate")
			nothingShared(t, m, "after migrate")
		})
	}
}
