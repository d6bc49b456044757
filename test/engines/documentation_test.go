package engines

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// installed is where the page puts the runtime.
const installed = "/usr/local/libexec/manager/manager-runtime"

// block is the page's first block of code of a kind that holds a word, with the path of the
// runtime under test in the place of the installed one.
func block(t *testing.T, kind, word string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```"+kind+"\n")[1:] {
		code, _, _ := strings.Cut(part, "```")
		if strings.Contains(code, word) {
			if !strings.Contains(code, installed) {
				t.Fatalf("no %s in %q", installed, code)
			}
			return strings.ReplaceAll(code, installed, filepath.Join(testenv.Programs(t), "manager-runtime"))
		}
	}
	t.Fatalf("no %s block with %q", kind, word)
	return ""
}

// TestDocumentation gives the engines the files of docs/kubernetes.md.
func TestDocumentation(t *testing.T) {
	runtime := filepath.Join(testenv.Programs(t), "manager-runtime")
	t.Run("containerd", func(t *testing.T) {
		e := newEngine(t, "ctr", "containerd", "ctr")
		file := e.path("config.toml")
		private := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\n", e.path("root"), e.path("state"))
		conf := strings.Replace(block(t, "toml", "version = 2"), "version = 2\n", private, 1)
		conf += fmt.Sprintf("[grpc]\naddress = %q\n[ttrpc]\naddress = %q\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nconf_dir = %q\n",
			e.path("sock"), e.path("sock.ttrpc"), e.path("cni"))
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		dump := e.must(t, "containerd", "--config", file, "config", "dump")
		_, table, _ := strings.Cut(dump, `containerd.runtimes.manager.options]`)
		table, _, _ = strings.Cut(table, "[")
		for _, want := range []string{`BinaryName = "` + runtime + `"`, `Root = "/run/manager-runtime"`, "SystemdCgroup = true"} {
			if !strings.Contains(table, want) {
				t.Errorf("containerd read %q, without %s", table, want)
			}
		}
		e.daemon(t, []string{"containerd", "--config", file}, "ctr", "--address", e.path("sock"), "version")
		plugins := e.must(t, "ctr", "--address", e.path("sock"), "plugins", "ls")
		if !regexp.MustCompile(`io\.containerd\.grpc\.v1 +cri +\S+ +ok`).MatchString(plugins) {
			t.Errorf("containerd's side for Kubernetes is off:\n%s", plugins)
		}
	})
	t.Run("podman", func(t *testing.T) {
		e := newEngine(t, "podman", "podman", "conmon")
		file := e.path("containers.conf")
		if err := os.WriteFile(file, []byte(block(t, "toml", "runtime_supports_json")), 0o600); err != nil {
			t.Fatal(err)
		}
		e.env = append(e.env, "CONTAINERS_CONF="+file)
		t.Cleanup(func() { unmountStore(e) })
		got := e.must(t, "podman", "--root", e.path("root"), "--runroot", e.path("run"), "--tmpdir", e.path("lib"),
			"info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}} {{.Host.OCIRuntime.Version}}")
		if !strings.HasPrefix(got, "manager-runtime "+runtime+" runc version ") {
			t.Errorf("podman read %q", got)
		}
	})
	t.Run("docker", func(t *testing.T) {
		e := newEngine(t, "docker", "dockerd", "docker", "containerd")
		file := e.path("daemon.json")
		if err := os.WriteFile(file, []byte(block(t, "json", "runtimes")), 0o600); err != nil {
			t.Fatal(err)
		}
		host := "unix://" + e.path("sock")
		t.Cleanup(func() { unmountNetwork(e) })
		e.daemon(t, []string{
			"dockerd", "--config-file", file, "--data-root", e.path("data"), "--exec-root", e.path("exec"), "--pidfile", e.path("pid"),
			"--host", host, "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
		}, dockerClient(), "-H", host, "version")
		var runtimes map[string]struct{ Path string }
		text := e.must(t, dockerClient(), "-H", host, "info", "--format", "{{json .Runtimes}}")
		if err := json.Unmarshal([]byte(text), &runtimes); err != nil || runtimes["manager"].Path != runtime {
			t.Errorf("dockerd read %s, %v", text, err)
		}
	})
}
