package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/libpod/doctor"
)

// picture is what there is below a directory: names, modes and contents.
func picture(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := []byte{}
		if info.Mode().IsRegular() {
			if text, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&b, "%s %v %x\n", path, info.Mode(), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// examined is the report of a doctor.
func examined(t *testing.T, m *testenv.Manager, args ...string) doctor.Report {
	t.Helper()
	res := m.Run(append([]string{"doctor", "--format", "json"}, args...)...)
	var r doctor.Report
	if err := json.Unmarshal([]byte(res.Stdout), &r); err != nil {
		t.Fatalf("%v\n%+v", err, res)
	}
	if want := map[bool]int{true: 0, false: 1}[r.Healthy]; res.Code != want {
		t.Errorf("exit code %d, healthy %v", res.Code, r.Healthy)
	}
	return r
}

// found are the findings of some probe.
func found(r *doctor.Report, probe string) (all []doctor.Finding) {
	for _, f := range r.Findings {
		if f.Probe == probe {
			all = append(all, f)
		}
	}
	return all
}

// In a private store beside a registry all is well that does not depend on the machine, nothing is said of it, and
// nothing is changed.
func TestDoctor(t *testing.T) {
	m := testenv.NewManager(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "https://")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(m.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	registries := fmt.Sprintf("unqualified-search-registries = [%q]\n[[registry]]\nlocation = %q\ninsecure = true\n", host, host)
	write("registries.conf", registries)
	before := picture(t, m.Dir)
	r := examined(t, m)
	for _, probe := range []string{"program", "configuration", "kernel", "namespace", "runtime-directory", "overlay", "tmp", "registry"} {
		for _, f := range found(&r, probe) {
			if f.Status != doctor.OK {
				t.Errorf("%+v", f)
			}
		}
		if len(found(&r, probe)) == 0 {
			t.Errorf("nothing of %s", probe)
		}
	}
	said := 0
	for _, f := range r.Findings {
		if f.Status == doctor.Broken || f.Status == doctor.Warn {
			said++
		}
	}
	text := m.Run("doctor")
	if got := strings.Count("\n"+text.Stdout, "\nx ") + strings.Count("\n"+text.Stdout, "\n! "); got != said || said == 0 && text.Stdout != "" || text.Stderr != "" {
		t.Errorf("%d lines of %d findings:\n%s%s", got, said, text.Stdout, text.Stderr)
	}
	if all := m.Run("doctor", "--verbose").Stdout; strings.Count(all, "\nok ") < 8 {
		t.Errorf("verbose: %s", all)
	}
	if after := picture(t, m.Dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}

	for _, c := range []struct {
		name, file, text string
		args             []string
		probe, words     string
	}{
		{"containers.conf", "containers.conf", "[engine\n", nil, "configuration", "containers.conf"},
		{"runtime", "containers.conf", "[engine]\nruntime = \"nope\"\n", nil, "configuration", "runtime nope"},
		{"registries.conf", "registries.conf", "short-name-mode = \"maybe\"\n", nil, "configuration", "registries.conf"},
		{"policy.json", "home/.config/containers/policy.json", `{"default": [{"type": "x"}]}`, nil, "configuration", "policy.json"},
		{"auth.json", "auth.json", "{", nil, "configuration", "credentials"},
		{"storage.conf", "storage.conf", "[storage]\ndriver = 1\n", nil, "configuration", "storage.conf"},
		{"dead registry", "registries.conf", "unqualified-search-registries = [\"127.0.0.1:1\"]\n", nil, "registry", "nobody listens"},
		{"seccomp", "containers.conf", "[containers]\nseccomp_profile = \"/etc/passwd\"\n", nil, "seccomp", "not JSON"},
		{"place", "x", "", []string{"--root", "/proc/sys/store"}, "overlay", "/proc/sys/store"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(m.Dir, c.file)
			old, err := os.ReadFile(path)
			write(c.file, c.text)
			defer func() {
				if err != nil {
					_ = os.Remove(path)
					return
				}
				write(c.file, string(old))
			}()
			r := examined(t, m, c.args...)
			hit := false
			for _, f := range found(&r, c.probe) {
				hit = hit || f.Status == doctor.Broken && strings.Contains(f.What, c.words) && len(f.Cure) > 0
			}
			if !hit || r.Healthy {
				t.Errorf("%+v", found(&r, c.probe))
			}
		})
	}
}

// A user's namespaces, ranges and directories are really tried; nothing is left of it.
func TestDoctorUser(t *testing.T) {
	const script = `
find "$HOME" | sort >/tmp/manager-test-doctor.$$
manager doctor --verbose || echo code $?
find "$HOME" | sort | diff /tmp/manager-test-doctor.$$ - && echo unchanged
rm /tmp/manager-test-doctor.$$
ls -d /tmp/manager-run-$(id -u) /tmp/storage-run-$(id -u) /run/user/$(id -u) 2>/dev/null || echo none
XDG_RUNTIME_DIR=/root manager doctor || echo code $?
XDG_RUNTIME_DIR=$HOME/r manager doctor || true
XDG_RUNTIME_DIR=$HOME/r manager doctor --fix || true
stat -c 'made %a' "$HOME/r"
`
	out := asShell(t, userRange, script)
	for _, want := range []string{
		"\nok namespace: a user namespace was made", "\nok subids: user tester has 65536 user ids", "\nok overlay: an overlay was mounted on", "\nok home: ",
		"\nunchanged\nnone\n", "x runtime-directory: XDG_RUNTIME_DIR is /root, which belongs to the user with the id 0", "\ncode 1\n",
		"    cure: mkdir -m 0700 ", "    fixed: made ", "\nmade 700\n",
	} {
		if !strings.Contains("\n"+out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out = asShell(t, 0, "manager doctor || echo code $?")
	if !strings.Contains(out, "x subids: user tester has no subordinate ids in /etc/subuid and /etc/subgid") || !strings.Contains(out, "cure: sudo usermod --add-subuids ") || !strings.Contains(out, "code 1") {
		t.Errorf("%s", out)
	}
}

// Namespaces that were made with other ranges than there are now are told, and go with --fix.
func TestDoctorOutdated(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv(runtimeVariable) != "" {
		t.Skip("needs root to become a user")
	}
	cmd := asUser(t, userRange, "/bin/sh", "-euc", `
manager unshare true
touch "$HOME/ready"
while [ ! -e "$HOME/go" ]; do sleep 0.05; done
manager doctor || true
manager doctor --fix || true
echo then
manager doctor || true
manager unshare cat /proc/self/uid_map
`)
	cmd.Env = append(cmd.Env, "PATH="+testenv.Programs(t)+":"+os.Getenv("PATH"))
	cmd.Dir = "/"
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	home := ""
	for _, e := range cmd.Env {
		if v, ok := strings.CutPrefix(e, "HOME="); ok {
			home = v
		}
	}
	for deadline := time.Now().Add(waiting); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(home, "ready")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("the namespaces were not made: %s", out.String())
			break
		}
	}
	for _, file := range []string{"subuid", "subgid"} {
		if err := os.WriteFile(filepath.Join(home, "etc-"+file), fmt.Appendf(nil, "tester:%d:%d\n", userFirst+userRange, userRange), 0o644); err != nil {
			t.Error(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "go"), nil, 0o644); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v", err)
	}
	before, after, _ := strings.Cut(out.String(), "then\n")
	if !strings.Contains(before, "! subids: the user's namespaces were made with other ranges") || !strings.Contains(before, "    cure: manager system migrate") ||
		!strings.Contains(before, "    fixed: made the user's namespaces go") || strings.Contains(after, "subids") || !strings.Contains(after, fmt.Sprint(userFirst+userRange)) {
		t.Errorf("%s", out.String())
	}
}
