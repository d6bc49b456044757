package evil

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Canary is a directory outside of all stores that hostile input tries to reach.
type Canary struct {
	// Dir is its absolute path.
	Dir string
	// Token is the content of Dir/secret; it must never be seen elsewhere.
	Token string

	before string
}

// NewCanary makes a canary with a file, a secret, a pipe and an empty directory.
func NewCanary(t testing.TB) *Canary {
	t.Helper()
	c := &Canary{Dir: filepath.Join(t.TempDir(), "canary"), Token: fmt.Sprintf("token-%x", sha256.Sum256([]byte(t.Name())))}
	for _, err := range []error{
		os.MkdirAll(filepath.Join(c.Dir, "conf.d"), 0o755),
		os.WriteFile(filepath.Join(c.Dir, "victim"), []byte("untouched"), 0o640),
		os.WriteFile(filepath.Join(c.Dir, "secret"), []byte(c.Token), 0o600),
		syscall.Mkfifo(filepath.Join(c.Dir, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.before = Snapshot(t, c.Dir)
	return c
}

// Check fails the test when anything in the canary has changed.
func (c *Canary) Check(t testing.TB) {
	t.Helper()
	if now := Snapshot(t, c.Dir); now != c.before {
		t.Errorf("the canary was touched:\nbefore\n%s\nnow\n%s", c.before, now)
	}
}

// CheckTree fails the test when the secret is readable below root.
func (c *Canary) CheckTree(t testing.TB, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(c.Token)) {
			t.Errorf("the secret is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Errorf("walk %s: %v", root, err)
	}
}
