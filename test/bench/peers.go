package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// setUp sets up every peer that is installed.
func (w *world) setUp() {
	if err := w.freeController(); err != nil {
		w.missing = append(w.missing, "hugetlb hierarchy: "+err.Error())
	}
	for _, s := range []struct {
		name string
		make func() (*peer, error)
	}{
		{"manager", w.manager},
		{"podman", w.podman},
		{"docker", w.docker},
		{"crun", func() (*peer, error) { return w.runtime("crun", "crun") }},
		{"runc", func() (*peer, error) { return w.runtime("runc", "runc") }},
		{"manager-runtime", func() (*peer, error) {
			if w.o.programs == "" {
				return nil, errors.New("not asked for")
			}
			return w.runtime("manager-runtime", filepath.Join(w.o.programs, "manager-runtime"))
		}},
	} {
		if w.o.users && s.name != "manager" {
			continue
		}
		p, err := s.make()
		if err != nil {
			w.missing = append(w.missing, s.name+": "+err.Error())
			continue
		}
		w.peers = append(w.peers, p)
	}
}

// freeController takes hugetlb into version 1 where the hierarchies are mixed: crun refuses
// to work as long as version 2 has a controller there.
func (w *world) freeController() error {
	const point = "/sys/fs/cgroup/hugetlb"
	if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.controllers"); errors.Is(err, os.ErrNotExist) {
		return nil // the hierarchies are not mixed
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(point, &fs); err == nil && fs.Type == unix.CGROUP_SUPER_MAGIC {
		return nil // somebody has done it already
	}
	switch err := os.Mkdir(point, 0o755); {
	case err == nil:
		w.undo = append(w.undo, func() error { return os.Remove(point) })
	case !errors.Is(err, os.ErrExist):
		return err
	}
	if err := unix.Mount("cgroup", point, "cgroup", 0, "hugetlb"); err != nil {
		return err
	}
	w.undo = append(w.undo, func() error {
		// A hierarchy that is unmounted with cgroups in it lives on unseen: empty it first.
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			left := childCgroups(point)
			if len(left) == 0 || time.Now().After(deadline) {
				return giveBack(point, deadline)
			}
			for _, path := range left {
				removeCgroup(path)
			}
		}
	})
	return nil
}

// giveBack unmounts the hierarchy until it is gone: cgroups that were removed a moment ago keep it alive
// without a mount, and the next unmount finds them gone.
func giveBack(point string, deadline time.Time) error {
	for {
		if err := unix.Unmount(point, 0); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
		text, err := os.ReadFile("/proc/self/cgroup")
		if err != nil || !strings.Contains(string(text), ":hugetlb:") {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("the hugetlb hierarchy does not end")
		}
		if err := unix.Mount("cgroup", point, "cgroup", 0, "hugetlb"); err != nil {
			return err
		}
	}
}

// manager is ours.
func (w *world) manager() (*peer, error) {
	if w.o.programs == "" {
		return nil, errors.New("not asked for")
	}
	m, err := testenv.OpenManager(w.o.programs)
	if err != nil {
		return nil, err
	}
	m.CgroupParent = "" // hyperfine runs plain command lines
	p := &peer{
		name: "manager", engine: true, image: "localhost/bench", helper: "manager-monitor",
		prefix: append([]string{m.Program}, m.Args()...), env: m.Env,
	}
	p.cleanup = func() error {
		if wrong := m.Close(); len(wrong) > 0 {
			return errors.New("manager: " + strings.Join(wrong, "; "))
		}
		return nil
	}
	if p.version, err = w.run(p.env, m.Program, "--version"); err == nil {
		_, err = w.run(p.env, p.command("import", w.rootfs, p.image)...)
	}
	if err != nil {
		return nil, errors.Join(err, p.cleanup())
	}
	return p, nil
}

// podmanConf is a containers.conf that asks for no limits that need rights we may lack.
const podmanConf = `[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
`

// podman is Debian's, with that configuration.
func (w *world) podman() (*peer, error) {
	program, err := exec.LookPath("podman")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.dir, "podman")
	conf := filepath.Join(dir, "containers.conf")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(conf, []byte(podmanConf), 0o600); err != nil {
		return nil, err
	}
	p := &peer{
		name: "podman", engine: true, image: "localhost/bench", helper: "conmon",
		prefix: []string{
			program, "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"),
			"--tmpdir", filepath.Join(dir, "tmp"), "--network-config-dir", filepath.Join(dir, "net"),
		},
		env: []string{"CONTAINERS_CONF=" + conf},
	}
	p.cleanup = func() error {
		_, err := w.run(p.env, p.command("rm", "--all", "--force", "--time", "0")...)
		return err
	}
	if p.version, err = w.run(p.env, program, "--version"); err == nil {
		_, err = w.run(p.env, p.command("import", w.rootfs, p.image)...)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// docker is a daemon with its own sockets and folders, and no bridge: it changes nothing in
// the host's network.
func (w *world) docker() (*peer, error) {
	daemon, err := exec.LookPath("dockerd")
	if err != nil {
		return nil, err
	}
	client, err := exec.LookPath("docker")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.dir, "docker")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	socket, pidFile := "unix://"+filepath.Join(dir, "sock"), filepath.Join(dir, "pid")
	cmd := exec.Command(daemon, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"-H", socket, "-p", pidFile, "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w.undo = append(w.undo, func() error {
		cmd.Process.Signal(unix.SIGTERM)
		time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait() // its exit code says nothing about us
		return nil
	})
	p := &peer{
		name: "docker", engine: true, image: "bench", helper: "containerd-shim",
		prefix: []string{client, "-H", socket}, env: []string{"DOCKER_CONFIG=" + dir},
	}
	for range 100 {
		if p.version, err = w.run(p.env, p.command("version", "--format", "dockerd {{.Server.Version}}")...); err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	p.cleanup = func() error {
		ids, err := w.run(p.env, p.command("ps", "--all", "--quiet")...)
		if err != nil || ids == "" {
			return err
		}
		_, err = w.run(p.env, append(p.command("rm", "--force"), strings.Fields(ids)...)...)
		return err
	}
	_, err = w.run(p.env, p.command("import", w.rootfs, p.image)...)
	return p, err
}

// runtime is a program with runc's command line and two bundles.
func (w *world) runtime(name, program string) (*peer, error) {
	program, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	p := &peer{name: name, prefix: []string{program, "--root", filepath.Join(w.dir, name)}}
	version, err := w.run(nil, program, "--version")
	if err != nil {
		return nil, err
	}
	p.version, _, _ = strings.Cut(version, "\n")
	if p.bundle, err = w.newBundle(p, "true", "true"); err != nil {
		return nil, err
	}
	if p.live, err = w.newBundle(p, "live", "sleep", "100000"); err != nil {
		return nil, err
	}
	p.cleanup = func() error {
		w.run(nil, p.command("delete", "--force", p.liveName())...) // it may not have been started
		return nil
	}
	return p, nil
}

// liveName is the container that exec enters. Runtimes call a container's cgroup after it, so that no
// two may have the same.
func (p *peer) liveName() string { return "bench-live-" + p.name }

// newBundle makes a bundle with runc's example of a spec, without a terminal: that of each runtime has other namespaces, and all
// are to do the same.
func (w *world) newBundle(p *peer, name string, args ...string) (string, error) {
	dir := filepath.Join(w.dir, p.name+"-"+name)
	rootfs := filepath.Join(dir, "rootfs")
	if err := os.MkdirAll(rootfs, 0o755); err != nil {
		return "", err
	}
	if _, err := w.run(nil, "tar", "-C", rootfs, "-xf", w.rootfs); err != nil {
		return "", err
	}
	cmd := exec.Command("runc", "spec")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("runc spec: %w: %s", err, out)
	}
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var spec map[string]any
	if err := json.Unmarshal(text, &spec); err != nil {
		return "", err
	}
	process, ok := spec["process"].(map[string]any)
	if !ok {
		return "", errors.New("runc spec: no process in " + strconv.Quote(string(text[:min(80, len(text))])))
	}
	process["terminal"], process["args"] = false, args
	delete(process, "rlimits")
	if text, err = json.Marshal(spec); err != nil {
		return "", err
	}
	return dir, os.WriteFile(path, text, 0o644)
}
