package engines

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// TestPodman runs the scenarios in podman, which has no daemon and drives runtimes through
// conmon.
func TestPodman(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "podman", "podman", "conmon")
	conf := `[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_nocgroup = ["manager-runtime"]
[network]
network_backend = "netavark"
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
`
	if err := os.WriteFile(e.path("containers.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	e.env = append(e.env, "CONTAINERS_CONF="+e.path("containers.conf"))
	e.wrap(t)
	plain := []string{
		"podman", "--root", e.path("root"), "--runroot", e.path("run"), "--tmpdir", e.path("lib"), "--network-config-dir", e.path("net"),
	}
	e.dialect = &dockerWords{
		prefix:      func(b *box) []string { return append(slices.Clone(plain), "--runtime", e.path("bin", b.runtimeName)) },
		runWords:    func(*box) []string { return []string{"--cgroup-parent", e.parent} },
		removeWords: []string{"--time", "0"},
	}
	t.Cleanup(func() {
		e.settle(t)
		unmountStore(e)
	})
	e.must(t, append(slices.Clone(plain), "load", "-q", "-i", testenv.Image(t, "busybox"))...)
	e.play(t)
}

// unmountStore undoes the mount of podman's store on itself.
func unmountStore(e *engine) {
	for _, dir := range []string{e.path("root", "overlay"), e.path("root")} {
		_ = unix.Unmount(dir, 0) // one of them is no mount
	}
}

// unmountNetwork takes away dockerd's name for the host's network.
func unmountNetwork(e *engine) { _ = unix.Unmount(e.path("exec", "netns", "default"), 0) }

// dockerClient is the one of the daemon's package, hence of its age.
func dockerClient() string {
	const packaged = "/usr/bin/docker"
	if _, err := os.Stat(packaged); err != nil {
		return "docker"
	}
	return packaged
}

// wrap gives each runtime a folder for its states: podman's own clean-up commands would not
// pass the option on.
func (e *engine) wrap(t *testing.T) {
	if err := os.Mkdir(e.path("bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, runtime := range runtimes(t) {
		name := filepath.Base(runtime)
		text := fmt.Sprintf("#!/bin/sh\nexec %s --root %s \"$@\"\n", runtime, e.path(name))
		if err := os.WriteFile(e.path("bin", name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDocker runs the scenarios in a dockerd of the test's own. It has no bridge and changes
// nothing in the host's network.
func TestDocker(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "docker", "dockerd", "docker", "containerd")
	plain := []string{dockerClient(), "-H", "unix://" + e.path("sock")}
	conf := map[string]any{
		"data-root": e.path("data"), "exec-root": e.path("exec"), "pidfile": e.path("pid"), "hosts": []string{"unix://" + e.path("sock")},
		"bridge": "none", "iptables": false, "ip6tables": false, "ip-forward": false, "ip-masq": false, "cgroup-parent": e.parent,
		"runtimes": map[string]any{"manager-runtime": map[string]any{"path": filepath.Join(testenv.Programs(t), "manager-runtime")}},
	}
	text, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.path("daemon.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	e.dialect = &dockerWords{
		prefix:   func(*box) []string { return slices.Clone(plain) },
		runWords: func(b *box) []string { return []string{"--runtime", b.runtimeName} },
	}
	e.env = append(e.env, "DOCKER_CONFIG="+e.path("home"))
	t.Cleanup(func() { unmountNetwork(e) })
	e.daemon(t, []string{"dockerd", "--config-file", e.path("daemon.json")}, append(slices.Clone(plain), "version")...)
	e.must(t, append(slices.Clone(plain), "load", "-q", "-i", testenv.Image(t, "busybox"))...)
	e.play(t)
}

// TestContainerd runs the scenarios in a containerd of the test's own, by its client ctr.
func TestContainerd(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "ctr", "containerd", "ctr")
	conf := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n[ttrpc]\naddress = %q\n",
		e.path("root"), e.path("state"), e.path("sock"), e.path("sock.ttrpc"))
	if err := os.WriteFile(e.path("config.toml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(e.path("fifo"), 0o700); err != nil {
		t.Fatal(err)
	}
	words := &ctrWords{socket: e.path("sock")}
	e.dialect = words
	e.daemon(t, []string{"containerd", "--config", e.path("config.toml")}, words.words("version")...)
	e.must(t, words.words("images", "import", testenv.Image(t, "busybox"))...)
	e.play(t)
}

// referenceVariable asks for the reference as well, when it is not empty in the environment:
// whoever writes a scenario proves it so. It doubles the time.
const referenceVariable = "MANAGER_ENGINES_REFERENCE"

// runtimes are the runtime under test and, when asked for, the reference.
func runtimes(t *testing.T) []string {
	t.Helper()
	list := []string{filepath.Join(testenv.Programs(t), "manager-runtime")}
	if os.Getenv(referenceVariable) != "" {
		reference, err := exec.LookPath("runc")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, reference)
	}
	return list
}

// play runs the scenarios.
func (e *engine) play(t *testing.T) {
	for _, runtime := range runtimes(t) {
		name := filepath.Base(runtime)
		t.Run(name, func(t *testing.T) {
			for _, s := range scenarios() {
				if !slices.Contains(s.on, e.name) {
					continue
				}
				t.Run(s.name, func(t *testing.T) {
					s.play(&box{T: t, e: e, runtime: runtime, runtimeName: name})
				})
			}
		})
	}
}
