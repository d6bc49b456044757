package selinux

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

const ownLabel = "u:object_r:f:s0:c1,c2"

// labelOf is a file's own label, "" if it has none.
func labelOf(path string) string {
	return read(func(b []byte) (int, error) { return unix.Lgetxattr(path, attribute, b) })
}

// tree makes files, directories (with a slash at the end) and links ("NAME -> TARGET").
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path, target, link := strings.Cut(name, " -> ")
		path = filepath.Join(root, path)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case link:
			err = os.Symlink(target, path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// needLabels skips where labels cannot be written: without SELinux only root can.
func needLabels(t *testing.T) {
	t.Helper()
	if err := Set(t.TempDir(), ownLabel); err != nil {
		t.Skip("labels cannot be written here: ", err)
	}
}

// TestRelabel labels all of a tree, and nothing that links or mounts lead to.
func TestRelabel(t *testing.T) {
	needLabels(t)
	outside := tree(t, "file", "dir/inner")
	root := tree(t, "a/b/c/file", "a/other", "empty/", "mount/", "in -> a", "out -> "+outside, "file-out -> "+outside+"/file", "dangling -> nowhere")
	if err := unix.Mount(outside, filepath.Join(root, "mount"), "", unix.MS_BIND, ""); err != nil {
		t.Skip("no mounts here: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(root, "mount"), unix.MNT_DETACH) })
	if err := Relabel(root, ownLabel); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "a", "a/b/c", "a/b/c/file", "a/other", "empty", "in", "out", "dangling"} {
		if got := labelOf(filepath.Join(root, name)); got != ownLabel {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{".", "file", "dir", "dir/inner"} {
		if got := labelOf(filepath.Join(outside, name)); got == ownLabel {
			t.Errorf("outside, %s is labelled", name)
		}
	}
	// Once more, with another label, by a link to it, and for a single file.
	shared := Shared(ownLabel)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(root, "a"), link); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Relabel(link, shared), Relabel(filepath.Join(outside, "file"), shared)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(root, "a/other"): shared, filepath.Join(root, "empty"): ownLabel, filepath.Join(outside, "file"): shared,
	} {
		if got := labelOf(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if labelOf(link) != "" && labelOf(link) == shared {
		t.Error("the link itself is labelled")
	}
}

// TestRelabelDeep refuses a tree that would take too many descriptors, and says what to do.
func TestRelabelDeep(t *testing.T) {
	needLabels(t)
	root := t.TempDir()
	at, err := unix.Open(root, unix.O_PATH|unix.O_CLOEXEC, 0)
	for range maxDepth + 1 {
		if err == nil {
			err = unix.Mkdirat(at, "d", 0o755)
		}
		if err == nil {
			old := at
			at, err = unix.Openat(old, "d", unix.O_PATH|unix.O_CLOEXEC, 0)
			_ = unix.Close(old)
		}
	}
	_ = unix.Close(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := Relabel(root, ownLabel); !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(errdefs.Hint(err), "chcon") {
		t.Errorf("got %v", err)
	}
}

// TestCheckRelabel refuses what others need, by whatever name.
func TestCheckRelabel(t *testing.T) {
	home := filepath.Join(t.TempDir(), "users", "me")
	work := filepath.Join(home, "work")
	links := t.TempDir()
	for _, dir := range []string{work, filepath.Join(home, "work-not")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"etc": "/etc", "home": home, "up": filepath.Dir(home), "work": work} {
		if err := os.Symlink(target, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	for path, refused := range map[string]bool{
		"/": true, "/etc": true, "/etc/": true, "/usr": true, "/home": true, "/root": true, "/tmp": true, "/var": true, "/proc": true, "/dev": true,
		"/var/tmp": true, "/usr/../etc": true, "/proc/self/root": true, "/proc/self/root/etc": true,
		home: true, filepath.Dir(home): true, filepath.Join(links, "etc"): true, filepath.Join(links, "home"): true, filepath.Join(links, "up"): true,
		work: false, filepath.Join(links, "work"): false, links: false, home + "/work-not": false,
	} {
		err := CheckRelabel(path)
		if refused != errors.Is(err, errdefs.ErrInvalid) || err != nil && (!refused || !strings.Contains(err.Error(), path) || errdefs.Hint(err) == "") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := CheckRelabel(filepath.Join(links, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	// Relabel has the same refusals.
	if err := Relabel(filepath.Join(links, "up"), ownLabel); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("relabel: %v", err)
	}
}

func TestFields(t *testing.T) {
	for context, want := range map[string][3]string{
		ownLabel: {"f", "s0:c1,c2", "u:object_r:f:s0"}, "u:r:t": {"t", "", "u:r:t"}, "": {"", "", ""}, "kernel": {"", "", "kernel"},
	} {
		if got := [3]string{TypeOf(context), LevelOf(context), Shared(context)}; got != want {
			t.Errorf("%q: %q, want %q", context, got, want)
		}
	}
}

// TestWithout: where there is no SELinux nothing has a label, and nothing is in the way.
func TestWithout(t *testing.T) {
	if Enabled() {
		t.Skip("SELinux is in force")
	}
	l, err := New(Options{Words: []string{"type:x"}}, nil)
	if err != nil || l != (Labels{}) || SharedFiles() != "" || Current() != "" || Program() != "" || Enforcing() {
		t.Errorf("%v, %v", l, err)
	}
}
