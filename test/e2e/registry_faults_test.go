package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
)

const (
	manifests = "/manifests/"
	blobs     = "/blobs/sha256:"
)

// served makes a registry with one image of two layers in it, and returns its name.
func served(t *testing.T, m *testenv.Manager, opts registry.Options) (*registry.Registry, string) {
	t.Helper()
	reg := registry.Start(t, opts)
	trust(t, m, reg)
	archive, name := filepath.Join(t.TempDir(), "app.tar"), reg.Host+"/team/app:v1"
	img := evil.Image{Name: "localhost/app:1", Layers: [][]byte{
		evil.Layer(evil.File("one", strings.Repeat("one", 30000), 0o644)), evil.Layer(evil.File("two", strings.Repeat("two", 30000), 0o644)),
	}}
	if err := evil.DockerArchive(archive, img); err != nil {
		t.Fatal(err)
	}
	m.MustRun(t, "load", "-q", "-i", archive)
	push := []string{"push", "-q", "localhost/app:1", name}
	if opts.Auth {
		push = append(push, "--creds", registry.Username+":"+registry.Password)
	}
	m.MustRun(t, push...)
	m.MustRun(t, "rmi", "localhost/app:1")
	reg.Reset()
	return reg, name
}

// nothingStored looks for images, containers and temporary files.
func nothingStored(t *testing.T, m *testenv.Manager) {
	t.Helper()
	if out := m.MustRun(t, "images", "-aq"); out != "" {
		t.Errorf("images are stored: %s", out)
	}
	if out := m.MustRun(t, "ps", "-aq"); out != "" {
		t.Errorf("containers are stored: %s", out)
	}
	layers, _ := filepath.Glob(filepath.Join(m.Root, "overlay", "????????????????????????????????????????????????????????????????"))
	temps, _ := filepath.Glob(filepath.Join(m.TmpDir, "*image*"))
	if left := append(layers, temps...); len(left) > 0 {
		t.Errorf("left in the store: %s", left)
	}
}

// cutEarly sends a few bytes of a long body and drops the connection.
func cutEarly(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Length", "1000000")
	_, _ = w.Write([]byte("x"))
	panic(http.ErrAbortHandler)
}

// TestRegistryFaults meets each fault with pull and with run: the exit code, the one line
// with object, cause and next step, how often the registry was asked, and that a failure
// leaves nothing in the store.
func TestRegistryFaults(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	reg, name := served(t, m, registry.Options{})
	login, check := "manager login "+reg.Host, "check the name and the tag"
	for _, tc := range []struct {
		name  string
		fault registry.Fault
		parts []string // of the error line besides the name; none: it succeeds
		most  int      // requests for fault.Path
	}{
		{"401", registry.Fault{Path: "/v2/", Answer: registry.Error(401, "UNAUTHORIZED")}, []string{login}, 8},
		{"401 at the manifest", registry.Fault{Path: manifests, Answer: registry.Error(401, "UNAUTHORIZED")}, []string{login}, 2},
		{"403", registry.Fault{Path: manifests, Answer: registry.Error(403, "DENIED")}, []string{login}, 2},
		{"404", registry.Fault{Path: manifests, Answer: registry.Error(404, "MANIFEST_UNKNOWN")}, []string{check}, 1},
		{"404 blob", registry.Fault{Path: blobs, Answer: registry.Error(404, "BLOB_UNKNOWN")}, []string{check}, 4},
		{"429, then well", registry.Fault{Path: manifests, Times: 1, Answer: registry.TooMany(time.Second)}, nil, 2},
		{"500, then well", registry.Fault{Path: manifests, Times: 1, Answer: registry.Error(500, "UNKNOWN")}, nil, 2},
		{"500", registry.Fault{Path: manifests, Answer: registry.Error(500, "UNKNOWN")}, []string{"later"}, 4},
		{"502", registry.Fault{Path: blobs, Answer: registry.Error(502, "UNKNOWN")}, []string{"later"}, 16},
		{"cut, then well", registry.Fault{Method: "GET", Path: blobs, Times: 2, Answer: registry.Cut}, nil, 12},
		{"cut", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Cut}, []string{"network"}, 40},
		{"cut manifest", registry.Fault{Method: "GET", Path: manifests, Answer: cutEarly}, []string{"network"}, 8},
		{"wrong digest", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Flip}, []string{"nothing was stored"}, 6},
		{"endless manifest", registry.Fault{Path: manifests, Answer: registry.Endless(200, "application/vnd.oci.image.manifest.v1+json", "{")}, []string{"source"}, 1},
		{"endless error", registry.Fault{Path: manifests, Answer: registry.Endless(404, "application/json", `{"errors":[`)}, []string{"does not end", "at fault"}, 1},
		{"endless blob", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Endless(200, "application/octet-stream", "x")}, []string{"source"}, 6},
		{"HTML", registry.Fault{Path: manifests, Answer: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = fmt.Fprint(w, "<html>\x1b[31m\r\nhello</html>")
		}}, []string{"source"}, 1},
		{"redirect to itself", registry.Fault{Method: "GET", Path: blobs, Answer: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}}, []string{"redirects"}, 100},
		{"redirect to a file", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Redirect("file://")}, []string{"file"}, 12},
		{"redirect to plain HTTP", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Redirect("http://" + reg.Host)}, []string{"http://", "not HTTPS"}, 6},
		{"redirect to the cloud", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Redirect("https://169.254.169.254")}, []string{"169.254.169.254", "own network"}, 6},
		{"token from plain HTTP", registry.Fault{Path: "/v2/", Answer: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+reg.Host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}}, []string{"/token", "not HTTPS"}, 6},
	} {
		for _, verb := range [][]string{{"pull", "-q"}, {"run", "-q", "--rm", "--network", "none"}} {
			t.Run(tc.name+"/"+verb[0], func(t *testing.T) {
				reg.Reset()
				reg.Fail(tc.fault)
				begin := time.Now()
				r := m.Run(append(verb, "--retry-delay", "20ms", name)...)
				if took := time.Since(begin); took > time.Minute {
					t.Errorf("took %v", took)
				}
				if n := len(reg.Requests(tc.fault.Method, tc.fault.Path)); n > tc.most || n == 0 {
					t.Errorf("%d requests; the most is %d", n, tc.most)
				}
				switch {
				case tc.parts != nil:
					refused(t, r, append(tc.parts, name, "; ")...)
					nothingStored(t, m)
				case verb[0] == "pull" && r.Code != 0:
					t.Errorf("%+v", r)
				case verb[0] == "run" && !strings.Contains(r.Stderr, "no command"):
					t.Errorf("the image has no command: %+v", r)
				}
				m.MustRun(t, "rmi", "--all", "--force")
			})
		}
	}
}

// TestRetriesEnd keeps the default pauses: a registry that always fails must be given up in time.
func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	reg, name := served(t, m, registry.Options{})
	reg.Fail(registry.Fault{Method: "GET", Path: manifests, Answer: registry.Error(503, "UNAVAILABLE")})
	begin := time.Now()
	r := m.Run("pull", name)
	took := time.Since(begin)
	lines := strings.Split(strings.TrimSpace(r.Stderr), "\n")
	if r.Code != 125 || !strings.HasPrefix(lines[len(lines)-1], "Error: ") || strings.Count(r.Stderr, "Error: ") != 1 || strings.Count(r.Stderr, "Trying again in") != 3 {
		t.Errorf("%+v", r)
	}
	if took < 5*time.Second || took > time.Minute {
		t.Errorf("took %v", took)
	}
	refused(t, m.Run("pull", "-q", "--retry", "0", name), name)
	nothingStored(t, m)

	refused(t, m.Run("pull", "-q", "127.0.0.1:1/team/app"), "127.0.0.1:1/team/app", "check the network")
	refused(t, m.Run("pull", "-q", "registry.invalid/team/app"), "registry.invalid/team/app", "check the network")
}

// TestPushFaults fails a push at each of its steps.
func TestPushFaults(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	reg, name := served(t, m, registry.Options{})
	m.MustRun(t, "pull", "-q", name)
	for _, tc := range []struct {
		name  string
		fault registry.Fault
		parts []string
	}{
		{"denied", registry.Fault{Method: "POST", Path: "/blobs/uploads/", Answer: registry.Error(403, "DENIED")}, []string{"manager login " + reg.Host}},
		{"401", registry.Fault{Path: "/v2/", Answer: registry.Error(401, "UNAUTHORIZED")}, []string{"manager login " + reg.Host}},
		{"500 upload", registry.Fault{Method: "PATCH", Answer: registry.Error(500, "UNKNOWN")}, []string{"later"}},
		{"500 manifest", registry.Fault{Method: "PUT", Path: manifests, Answer: registry.Error(500, "UNKNOWN")}, []string{"later"}},
		{"manifest refused", registry.Fault{Method: "PUT", Path: manifests, Answer: registry.Error(400, "MANIFEST_INVALID")}, []string{"manifest invalid", "--format"}},
		{"500 manifest once", registry.Fault{Method: "PUT", Path: manifests, Times: 1, Answer: registry.Error(500, "UNKNOWN")}, nil},
		{"cut upload once", registry.Fault{Method: "PATCH", Times: 1, Answer: cutEarly}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reg.Reset()
			reg.Fail(tc.fault)
			target := reg.Host + "/other/" + strings.ReplaceAll(tc.name, " ", "-") + ":v2"
			begin := time.Now()
			r := m.Run("push", "-q", "--retry-delay", "20ms", name, target)
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("took %v", took)
			}
			if tc.parts == nil {
				if r.Code != 0 {
					t.Errorf("%+v", r)
				}
				return
			}
			refused(t, r, append(tc.parts, target, "; ")...)
		})
	}
}

// TestRedirectCredentials follows a blob to another host, which must not see credentials.
func TestRedirectCredentials(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	reg, name := served(t, m, registry.Options{Auth: true})
	other := registry.Start(t, registry.Options{Backend: reg.Backend()})
	// By another name: to Go's client another port of the same name is the same host.
	elsewhere := "https://" + strings.Replace(other.Host, "127.0.0.1", "localhost", 1)
	reg.Fail(registry.Fault{Method: "GET", Path: blobs, Answer: registry.Redirect(elsewhere)})
	m.MustRun(t, "pull", "-q", "--tls-verify=false", "--creds", registry.Username+":"+registry.Password, name)
	seen := other.Requests("", "")
	if len(seen) == 0 {
		t.Error("the redirect was not followed")
	}
	for _, q := range seen {
		if q.Authorization != "" {
			t.Errorf("%s %s got credentials", q.Method, q.Path)
		}
	}
	if sent := reg.Requests("GET", manifests); len(sent) == 0 || sent[0].Authorization == "" {
		t.Errorf("the registry itself got no credentials: %+v", sent)
	}
}

// TestRedirectToOtherPort pins what the image library does and offers no hook for: Go's HTTP client
// takes another port of the same host name for the same host, and sends the credentials on.
// Should this fail, the library has become stricter; SECURITY.md speaks of it.
func TestRedirectToOtherPort(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	reg, name := served(t, m, registry.Options{Auth: true})
	other := registry.Start(t, registry.Options{Backend: reg.Backend()})
	reg.Fail(registry.Fault{Method: "GET", Path: blobs, Answer: registry.Redirect("https://" + other.Host)})
	m.MustRun(t, "pull", "-q", "--tls-verify=false", "--creds", registry.Username+":"+registry.Password, name)
	seen := other.Requests("", "")
	if len(seen) == 0 {
		t.Fatal("the redirect was not followed")
	}
	for _, q := range seen {
		if q.Authorization == "" {
			t.Errorf("%s %s got no credentials", q.Method, q.Path)
		}
	}
}
