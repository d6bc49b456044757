package image_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// remote are options for a test registry: its certificate, and short pauses.
func remote(reg *registry.Registry) image.RemoteOptions {
	return image.RemoteOptions{CertDir: reg.CertDir, RetryDelay: time.Millisecond}
}

// serve pushes an image to a new registry and returns its name there.
func serve(t *testing.T, img evil.Image, opts registry.Options) (*registry.Registry, string) {
	t.Helper()
	reg := registry.Start(t, opts)
	svc := newService(t)
	id := load(t, svc, img)[0].ID
	name := reg.Host + "/team/app:v1"
	ro := remote(reg)
	if opts.Auth {
		ro.Credentials = &image.Credentials{Username: registry.Username, Password: registry.Password}
	}
	if _, err := svc.Push(t.Context(), id, name, image.PushOptions{RemoteOptions: ro}); err != nil {
		t.Fatal(err)
	}
	reg.Reset()
	return reg, name
}

func TestPull(t *testing.T) {
	want := simple("localhost/app:latest")
	reg, name := serve(t, want, registry.Options{})
	svc := newService(t)
	if _, err := svc.Pull(t.Context(), name, image.PullOptions{RemoteOptions: remote(reg), Policy: image.PullNever}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("never: %v", err)
	}
	var events []image.EventKind
	got, err := svc.Pull(t.Context(), name, image.PullOptions{
		RemoteOptions: remote(reg),
		Progress:      func(e image.Event) { events = append(events, e.Kind) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].ID != want.ID() || got[0].Name != name {
		t.Errorf("pulled %+v", got)
	}
	if len(events) < 4 {
		t.Errorf("only %d events", len(events))
	}
	for policy, requests := range map[image.Policy]bool{image.PullMissing: false, image.PullNever: false, image.PullNewer: true, image.PullAlways: true} {
		reg.Reset()
		if _, err := svc.Pull(t.Context(), name, image.PullOptions{RemoteOptions: remote(reg), Policy: policy}); err != nil {
			t.Errorf("%s: %v", policy, err)
		}
		if asked := len(reg.Requests("", "")) > 0; asked != requests {
			t.Errorf("%s: registry asked: %v", policy, asked)
		}
		if n := len(reg.Requests("GET", "/blobs/sha256:")); policy == image.PullNewer && n > 0 {
			t.Errorf("%s: %d blobs fetched", policy, n)
		}
	}
	repo, _, _ := strings.Cut(name, ":v1")
	all, err := svc.Pull(t.Context(), repo, image.PullOptions{RemoteOptions: remote(reg), AllTags: true})
	if err != nil || len(all) != 1 || all[0].Name != name {
		t.Errorf("all tags: %v %v", all, err)
	}
	byDigest := repo + "@" + got[0].Digest.String()
	if d, err := svc.Pull(t.Context(), byDigest, image.PullOptions{RemoteOptions: remote(reg), Policy: image.PullAlways}); err != nil || d[0].ID != want.ID() {
		t.Errorf("by digest: %v %v", d, err)
	}
}

// TestPullFaults injects each fault and looks at the class, the one line, the number of
// requests, and that nothing is stored when the pull fails.
func TestPullFaults(t *testing.T) {
	reg, name := serve(t, simple("localhost/app:latest"), registry.Options{})
	const manifests, blobs = "/manifests/", "/blobs/sha256:"
	for _, tc := range []struct {
		name  string
		fault registry.Fault
		class error // nil: the pull succeeds all the same
		hint  string
		least int // requests for fault.Path
		most  int
	}{
		{"401", registry.Fault{Path: "/v2/", Answer: registry.Error(401, "UNAUTHORIZED")}, errdefs.ErrPermission, "manager login " + reg.Host, 1, 4},
		{"403 manifest", registry.Fault{Path: manifests, Answer: registry.Error(403, "DENIED")}, errdefs.ErrPermission, "manager login", 1, 1},
		{"404 manifest", registry.Fault{Path: manifests, Answer: registry.Error(404, "MANIFEST_UNKNOWN")}, errdefs.ErrNotFound, "check the name", 1, 1},
		{"404 blob", registry.Fault{Path: blobs, Answer: registry.Error(404, "BLOB_UNKNOWN")}, errdefs.ErrNotFound, "", 1, 3},
		{"429 twice", registry.Fault{Path: manifests, Times: 2, Answer: registry.TooMany(time.Second)}, nil, "", 3, 3},
		{"500 once", registry.Fault{Path: manifests, Times: 1, Answer: registry.Error(500, "UNKNOWN")}, nil, "", 2, 2},
		{"503 for ever", registry.Fault{Path: manifests, Answer: registry.Error(503, "UNAVAILABLE")}, errdefs.ErrUnavailable, "", 4, 4},
		{"500 blob once", registry.Fault{Path: blobs, Times: 1, Answer: registry.Error(500, "UNKNOWN")}, nil, "", 4, 8},
		{"cut blob once", registry.Fault{Method: "GET", Path: blobs, Times: 1, Answer: registry.Cut}, nil, "", 4, 8},
		{"cut blob for ever", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Cut}, errdefs.ErrUnavailable, "", 4, 16},
		{"wrong blob", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Flip}, errdefs.ErrCorrupt, "", 1, 3},
		{"slow blob", registry.Fault{Method: "GET", Path: blobs, Answer: registry.Slow(time.Millisecond, 16)}, nil, "", 3, 3},
		{"no manifest", registry.Fault{Path: manifests, Answer: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = w.Write([]byte("<html>hello</html>"))
		}}, errdefs.ErrCorrupt, "", 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reg.Reset()
			reg.Fail(tc.fault)
			svc := newService(t)
			_, err := svc.Pull(t.Context(), name, image.PullOptions{RemoteOptions: remote(reg)})
			if !errors.Is(err, tc.class) {
				t.Errorf("error %v; want %v", err, tc.class)
			}
			if err != nil {
				checkRefused(t, svc, err, tc.hint)
			}
			if n := len(reg.Requests(tc.fault.Method, tc.fault.Path)); n < tc.least || n > tc.most {
				t.Errorf("%d requests; want %d to %d", n, tc.least, tc.most)
			}
		})
	}
}

// checkRefused looks at a failed operation: one short line, the hint, and an empty store.
func checkRefused(t *testing.T, svc *image.Service, err error, hint string) {
	t.Helper()
	if text := err.Error(); strings.ContainsAny(text, "\n\r\x1b") || len(text) > 1000 {
		t.Errorf("error is not one line: %q", text)
	}
	if got := errdefs.Hint(err); !strings.Contains(got, hint) {
		t.Errorf("hint %q; want %q in it", got, hint)
	}
	if list, lerr := svc.List(t.Context(), image.ListOptions{All: true}); lerr != nil || len(list) > 0 {
		t.Errorf("the store has %d images, %v", len(list), lerr)
	}
	store, serr := svc.Store()
	if serr != nil {
		t.Fatal(serr)
	}
	if ctrs, cerr := store.Containers(); cerr != nil || len(ctrs) > 0 {
		t.Errorf("the store has %d containers, %v", len(ctrs), cerr)
	}
}

func TestPullNoNetwork(t *testing.T) {
	svc := newService(t)
	for _, name := range []string{"127.0.0.1:1/team/app", "registry.invalid/team/app"} {
		start := time.Now()
		_, err := svc.Pull(t.Context(), name, image.PullOptions{})
		if !errors.Is(err, errdefs.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestPullWrongDigest(t *testing.T) {
	reg, name := serve(t, simple("localhost/app:latest"), registry.Options{})
	repo, _, _ := strings.Cut(name, ":v1")
	reg.Fail(registry.Fault{Path: "/manifests/sha256:", Answer: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		q := r.Clone(r.Context())
		q.URL.Path = "/v2/team/app/manifests/v1"
		next.ServeHTTP(w, q)
	}})
	svc := newService(t)
	_, err := svc.Pull(t.Context(), repo+"@"+digest.FromString("other").String(), image.PullOptions{RemoteOptions: remote(reg)})
	if !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("error %v", err)
	}
	checkRefused(t, svc, err, "")
}

// TestPullRedirect follows a blob to another host, which must not see the credentials.
func TestPullRedirect(t *testing.T) {
	reg, name := serve(t, simple("localhost/app:latest"), registry.Options{Auth: true})
	plain := reg.Backend()
	other := registry.Start(t, registry.Options{Backend: plain})
	ca, err := os.ReadFile(other.CertDir + "/ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, reg.CertDir+"/other.crt", string(ca))
	reg.Fail(registry.Fault{Method: "GET", Path: "/blobs/sha256:", Answer: registry.Redirect("https://" + strings.Replace(other.Host, "127.0.0.1", "localhost", 1))})
	opts := image.PullOptions{RemoteOptions: remote(reg)}
	opts.Credentials = &image.Credentials{Username: registry.Username, Password: registry.Password}
	no := false
	opts.TLSVerify = &no // the second host's certificate does not name it
	if _, err := newService(t).Pull(t.Context(), name, opts); err != nil {
		t.Fatal(err)
	}
	seen := other.Requests("", "/blobs/")
	if len(seen) == 0 {
		t.Fatal("the redirect was not followed")
	}
	for _, q := range seen {
		if q.Authorization != "" {
			t.Errorf("%s got %q", q.Path, q.Authorization)
		}
	}
}
