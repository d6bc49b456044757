package evil

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
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

// Snapshot describes a tree, one line for each entry: type and mode, owner, links, size,
// device, extended attributes, target or hash of the content, name. Times of regular files
// are included in whole seconds; directories' are not, as writing a child changes them.
func Snapshot(t testing.TB, root string) string {
	t.Helper()
	var lines []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%q mode=%o owner=%d:%d dev=%x", rel, st.Mode, st.Uid, st.Gid, st.Rdev)
		switch d.Type() {
		case 0:
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" size=%d mtime=%d hash=%x", st.Size, st.Mtim.Sec, sha256.Sum256(raw))
			if first, ok := inodes[st.Ino]; ok && st.Nlink > 1 {
				line += fmt.Sprintf(" same-as=%q", first)
			} else {
				inodes[st.Ino] = rel
			}
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" target=%q", target)
		default: // mode and device say it all
		}
		if d.Type()&fs.ModeSymlink == 0 {
			line += xattrs(path)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatalf("snapshot of %s: %v", root, err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// xattrs lists a file's extended attributes without those of the storage driver.
func xattrs(path string) string {
	buf := make([]byte, 1<<16)
	n, err := syscall.Listxattr(path, buf)
	if err != nil {
		return ""
	}
	names := strings.Split(strings.Trim(string(buf[:n]), "\x00"), "\x00")
	sort.Strings(names)
	out := ""
	for _, name := range names {
		if name == "" || strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
			continue
		}
		val := make([]byte, 1<<16)
		if n, err := syscall.Getxattr(path, name, val); err == nil {
			out += fmt.Sprintf(" %s=%x", name, val[:n])
		}
	}
	return out
}
