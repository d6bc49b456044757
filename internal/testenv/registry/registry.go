// Package registry runs a real registry for tests: the distribution project's program,
// on the loopback device, behind a proxy of ours that speaks TLS, asks for a password,
// counts requests and fails on demand.
package registry

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The account that a Registry with Auth accepts.
const (
	Username = "tester"
	Password = "s3cret:with:colons"
)

// Options say how a registry behaves.
type Options struct {
	// Auth asks every request for the account above.
	Auth bool
	// Backend, when it is set, answers instead of the real registry.
	Backend http.Handler
}

// Registry is a running registry. It ends with the test.
type Registry struct {
	// Host is "127.0.0.1:port", as it stands in image names.
	Host string
	// CertDir holds the CA's certificate, for image.RemoteOptions.CertDir.
	CertDir string

	server  *httptest.Server
	backend http.Handler
	auth    bool

	mu       sync.Mutex
	faults   []*Fault
	requests []Request
}

// Request is one request that arrived.
type Request struct {
	Method, Path  string
	Authorization string
}

// Fault replaces the answers to some requests.
type Fault struct {
	// Method and Path select requests: an equal method ("" is any) and a path that
	// contains Path.
	Method, Path string
	// Skip is how many such requests pass before; Times how many fail then, 0 meaning all.
	Skip, Times int
	// Answer writes the answer. next is the registry behind.
	Answer func(w http.ResponseWriter, r *http.Request, next http.Handler)

	hits int
}

// Start runs a registry, or skips the test when the program is not installed.
func Start(t testing.TB, opts Options) *Registry {
	t.Helper()
	r := &Registry{backend: opts.Backend, auth: opts.Auth}
	if r.backend == nil {
		r.backend = startProgram(t)
	}
	r.server = httptest.NewTLSServer(r)
	t.Cleanup(r.server.Close)
	r.Host = r.server.Listener.Addr().String()
	r.CertDir = t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(r.CertDir, "ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// Fail adds a fault.
func (r *Registry) Fail(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &f)
}

// Reset forgets all faults and requests.
func (r *Registry) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults, r.requests = nil, nil
}

// Requests lists the requests whose path contains path.
func (r *Registry) Requests(method, path string) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Request
	for _, q := range r.requests {
		if (method == "" || q.Method == method) && strings.Contains(q.Path, path) {
			out = append(out, q)
		}
	}
	return out
}

// ServeHTTP counts, then fails or asks the registry behind.
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	fault := r.record(q)
	if fault != nil {
		fault.Answer(w, q, r.backend)
		return
	}
	if user, pass, ok := q.BasicAuth(); r.auth && (!ok || user != Username || pass != Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		Error(http.StatusUnauthorized, "UNAUTHORIZED")(w, q, nil)
		return
	}
	q.Header.Del("Authorization")
	r.backend.ServeHTTP(w, q)
}

// record notes the request and finds its fault.
func (r *Registry) record(q *http.Request) *Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, Request{q.Method, q.URL.Path, q.Header.Get("Authorization")})
	for _, f := range r.faults {
		if f.Method != "" && f.Method != q.Method || !strings.Contains(q.URL.Path, f.Path) {
			continue
		}
		f.hits++
		if f.hits > f.Skip && (f.Times == 0 || f.hits <= f.Skip+f.Times) {
			return f
		}
	}
	return nil
}

// startProgram starts docker-registry and returns a proxy to it.
func startProgram(t testing.TB) http.Handler {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not installed")
	}
	dir := t.TempDir()
	addr := freeAddress(t)
	conf := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: %s, relativeurls: true}\n",
		filepath.Join(dir, "data"), addr)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", conf)
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	target := &url.URL{Scheme: "http", Host: addr}
	waitFor(t, target.String()+"/v2/")
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	return proxy
}

// freeAddress finds a loopback port that nobody uses.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// waitFor waits until the address answers.
func waitFor(t testing.TB, address string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(address)
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("registry does not answer: %v", err)
		}
	}
}

// Backend is the registry behind the proxy, without faults and passwords.
func (r *Registry) Backend() http.Handler { return r.backend }
