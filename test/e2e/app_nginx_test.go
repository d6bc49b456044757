package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// nginxConf is a configuration with one server.
const nginxConf = `worker_processes 2;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 64; }
http {
	access_log /dev/stdout combined;
	server {
		listen 127.0.0.1:%s;
		root /srv/www;
		add_header X-Generation %s;
	}
}
`

// TestNginx serves a bind-mounted page on the host's network, reloads its configuration on
// SIGHUP without losing a connection, and ends on SIGQUIT.
func TestNginx(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	m.Image(t, "nginx")
	port, dir := freePort(t), t.TempDir()
	conf, page := filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "www/page.html")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, filepath.Dir(page)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(conf, fmt.Sprintf(nginxConf, port, "one"))
	write(page, "first page")
	m.MustRun(t, "run", "-d", "--name", "web", "--network", "host",
		"-v", filepath.Dir(page)+":/srv/www:ro", "-v", conf+":/etc/nginx/nginx.conf:ro", "localhost/nginx")
	address := "http://127.0.0.1:" + port + "/page.html"
	serves := func(body, generation string) {
		t.Helper()
		until(t, 20*time.Second, func() error { return fetch(address, body, generation) })
	}
	serves("first page", "one")
	write(page, "second page, of another length")
	serves("second page, of another length", "one")
	if r := m.Run("exec", "web", "sh", "-c", "echo evil >/srv/www/page.html"); r.Code == 0 {
		t.Error("a read-only mount was written to")
	}

	workers := func() string { return m.MustRun(t, "exec", "web", "sh", "-c", "cat /proc/1/task/1/children") }
	before := workers()
	write(conf, fmt.Sprintf(nginxConf, port, "two"))
	m.MustRun(t, "kill", "-s", "HUP", "web")
	serves("second page, of another length", "two")
	if now := workers(); now == before || now == "" {
		t.Errorf("workers before %q, after the reload %q", before, now)
	}
	expect(t, m, "running", "inspect", "--format", "{{.State.Status}}", "web")
	if r := m.Run("logs", "web"); !strings.Contains(r.Stdout, `"GET /page.html HTTP/1.1" 200`) || !strings.Contains(r.Stderr, "signal process started") && !strings.Contains(r.Stderr, "reconfiguring") {
		t.Errorf("logs: %+v", r)
	}
	write(conf, "no such directive;\n")
	if r := m.Run("exec", "web", "nginx", "-t"); r.Code != 1 || !strings.Contains(r.Stderr, "unknown directive") {
		t.Errorf("nginx -t: %+v", r)
	}
	m.MustRun(t, "kill", "-s", "HUP", "web") // nginx keeps its old configuration
	serves("second page, of another length", "two")
	m.MustRun(t, "stop", "web")
	expect(t, m, "exited 0", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "web")
	if err := fetch(address, "", ""); err == nil {
		t.Error("the page is still served")
	}
}

// fetch gets a page and compares what comes.
func fetch(address, body, generation string) error {
	resp, err := http.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || string(raw) != body || resp.Header.Get("X-Generation") != generation {
		return fmt.Errorf("got %s %q of generation %q", resp.Status, raw, resp.Header.Get("X-Generation"))
	}
	return nil
}
