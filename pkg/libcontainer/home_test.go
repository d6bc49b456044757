package libcontainer_test

import (
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestHome: an environment without HOME gets what the container's passwd file says.
func TestHome(t *testing.T) {
	root := testRoot(t)
	if err := os.MkdirAll(root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/etc/passwd", []byte("root:x:0:0::/of-root:/bin/sh\nu:x:1000:1000::/of-user:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uid  uint32
		env  []string
		want string
	}{
		{0, nil, "/of-root"},
		{1000, nil, "/of-user"},
		{1000, []string{"HOME="}, "/of-user"},
		{1000, []string{"HOME=/mine"}, "/mine"},
		{1001, nil, "/"},
	} {
		spec := testSpec(root, "sh", "-c", "echo $HOME")
		spec.Process.User = specs.User{UID: c.uid, GID: c.uid}
		spec.Process.Env = append([]string{"PATH=/bin:/usr/bin"}, c.env...)
		if out, code := run(t, spec); out != c.want || code != 0 {
			t.Errorf("%d with %q: %q, code %d, want %q", c.uid, c.env, out, code, c.want)
		}
	}
}
