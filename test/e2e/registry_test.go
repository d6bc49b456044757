package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
)

// refused looks at a failed command: exit code 125, one line on standard error with the
// object, the cause and the next step, and nothing on standard output.
func refused(t *testing.T, r testenv.Result, parts ...string) {
	t.Helper()
	line := strings.TrimSuffix(r.Stderr, "\n")
	if r.Code != 125 || r.Stdout != "" || strings.Contains(line, "\n") || !strings.HasPrefix(line, "Error: ") || len(line) > 1000 {
		t.Errorf("not refused with one line: %+v", r)
	}
	for _, part := range parts {
		if !strings.Contains(line, part) {
			t.Errorf("%q lacks %q", line, part)
		}
	}
}

// TestLogin keeps and forgets credentials, and uses them for push, pull and run.
func TestLogin(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, registry.Options{Auth: true})
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	name := reg.Host + "/team/box:v1"
	certs := "--cert-dir=" + reg.CertDir
	login := func(password string, options ...string) testenv.Result {
		t.Helper()
		args := append([]string{"login", "-u", registry.Username, "--password-stdin"}, options...)
		return runInput(t, m, password, append(args, reg.Host)...)
	}
	authFile := func() string {
		raw, _ := os.ReadFile(filepath.Join(m.Dir, "auth.json"))
		return string(raw)
	}

	refused(t, m.Run("login", "--get-login", reg.Host), reg.Host, "not logged in")
	refused(t, m.Run("logout", reg.Host), reg.Host, "not logged in")
	refused(t, login("x"), reg.Host, "certificate", "--tls-verify=false") // nobody trusts it yet
	refused(t, login("wrong", certs), reg.Host, "refused the user name or the password")
	refused(t, login("", certs), reg.Host)
	refused(t, m.Run("login", "-u", "tester", reg.Host), "--password-stdin")
	refused(t, m.Run("login", "-u", "tester", "-p", "x", "--password-stdin", reg.Host), "--password-stdin", "--password")
	refused(t, runInput(t, m, "x", "login", "--password-stdin", reg.Host), "--username")
	refused(t, m.Run("push", "-q", certs, "localhost/busybox", name), name, "manager login "+reg.Host)
	refused(t, m.Run("pull", "-q", certs, name), name, "manager login "+reg.Host)
	if text := authFile(); strings.Contains(text, reg.Host) {
		t.Errorf("a refused password was kept: %s", text)
	}

	if r := login(registry.Password+"\n", certs); r.Code != 0 || r.Stdout != "Login Succeeded!\n" || r.Stderr != "" {
		t.Fatalf("login: %+v", r)
	}
	expect(t, m, registry.Username, "login", "--get-login", reg.Host)
	if text := authFile(); strings.Contains(text, registry.Password) || !strings.Contains(text, reg.Host) {
		t.Errorf("auth.json: %s", text)
	}
	if info, err := os.Stat(filepath.Join(m.Dir, "auth.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("auth.json: %v %v", info, err)
	}
	refused(t, login("wrong", certs), "refused the user name or the password")
	expect(t, m, registry.Username, "login", "--get-login", reg.Host) // the good one stays

	m.MustRun(t, "push", "-q", certs, "localhost/busybox", name)
	m.MustRun(t, "rmi", "localhost/busybox")
	if id := m.MustRun(t, "pull", "-q", certs, name); len(id) != 64 {
		t.Errorf("pull printed %q", id)
	}
	m.MustRun(t, "rmi", name)
	refused(t, m.Run("pull", "-q", name), name, "certificate")
	expect(t, m, "hello", "run", "--rm", "--quiet", "--network", "none", "--tls-verify=false", name, "echo", "hello")
	m.MustRun(t, "rmi", name)
	refused(t, m.Run("pull", "-q", certs, "--creds", "tester:wrong", name), name)
	m.MustRun(t, "pull", "-q", certs, "--creds", registry.Username+":"+registry.Password, name)

	expect(t, m, "Removed login credentials for "+reg.Host, "logout", reg.Host)
	refused(t, m.Run("login", "--get-login", reg.Host), "not logged in")
	refused(t, m.Run("pull", "-q", certs, name), name, "manager login "+reg.Host)
	other := filepath.Join(t.TempDir(), "auth.json")
	if r := login(registry.Password, "--tls-verify=false", "--authfile", other); r.Code != 0 {
		t.Errorf("login --authfile: %+v", r)
	}
	m.MustRun(t, "pull", "-q", certs, "--authfile", other, name)
	expect(t, m, "Removed login credentials for all registries", "logout", "--all", "--authfile", other)
	refused(t, m.Run("pull", "-q", certs, "--authfile", other, name), name)
	for _, bad := range []string{"", "http://", "bad host", "host/path:tag", "-x.example.com/", "https://a/../b"} {
		refused(t, runInput(t, m, "x", "login", "-u", "tester", "--password-stdin", "--", bad), "registry")
	}
}

// TestRunPolicies runs an image whose registry has a newer one, under each pull policy.
func TestRunPolicies(t *testing.T) {
	t.Parallel()
	reg := registry.Start(t, registry.Options{})
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	trust(t, m, reg)
	name := reg.Host + "/team/app:v1"
	publish := func(version string) {
		t.Helper()
		layer := evil.Layer(evil.Dir("bin", 0o755), evil.File("version", version, 0o644))
		path := filepath.Join(t.TempDir(), "layer.tar")
		if err := os.WriteFile(path, layer, 0o600); err != nil {
			t.Fatal(err)
		}
		m.MustRun(t, "import", "-q", path, "localhost/made:"+version)
		m.MustRun(t, "push", "-q", "localhost/made:"+version, name)
	}
	// seen is the version that a container of the image holds.
	seen := func(policy string) (string, int, testenv.Result) {
		t.Helper()
		reg.Reset()
		r := m.Run("create", "-q", "--pull", policy, "--name", "look", "--network", "none", name, "/nothing")
		if r.Code != 0 {
			return "", len(reg.Requests("", "")), r
		}
		defer m.MustRun(t, "rm", "look")
		out := filepath.Join(t.TempDir(), "fs.tar")
		m.MustRun(t, "run", "--rm", "--network", "none", "-v", filepath.Dir(out)+":/out",
			"--mount", "type=image,source="+name+",destination=/image", "localhost/busybox", "cp", "/image/version", "/out/fs.tar")
		raw, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw), len(reg.Requests("", "")), r
	}
	publish("one")
	if _, asked, r := seen("never"); asked != 0 {
		t.Errorf("never asked the registry %d times", asked)
	} else {
		refused(t, r, name)
	}
	for _, step := range []struct {
		policy, publish, want string
		asks                  bool
	}{
		{"missing", "", "one", true},
		{"missing", "two", "one", false},
		{"never", "", "one", false},
		{"newer", "", "two", true},
		{"newer", "", "two", true},
		{"always", "three", "three", true},
		{"always", "", "three", true},
	} {
		if step.publish != "" {
			publish(step.publish)
		}
		version, asked, r := seen(step.policy)
		if r.Code != 0 || version != step.want || asked > 0 != step.asks {
			t.Errorf("%+v: got %q with %d requests: %+v", step, version, asked, r)
		}
	}
	reg.Fail(registry.Fault{Path: "/v2/", Answer: registry.Error(404, "MANIFEST_UNKNOWN")})
	down := func(policy string) testenv.Result {
		return m.Run("run", "-q", "--rm", "--network", "none", "--pull", policy, name, "/nothing")
	}
	refused(t, down("always"), name)
	if r := down("newer"); r.Code != 127 { // makes do with the local image, which has no such program
		t.Errorf("newer without the registry: %+v", r)
	}
	refused(t, m.Run("run", "--pull", "sometimes", name), "--pull", "sometimes", "always, missing, newer")
}
