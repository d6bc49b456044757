package fsroot

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// both runs a test with the kernel's resolution and with the walk.
func both(t *testing.T, f func(t *testing.T, r *Root, dir string)) {
	for name, walk := range map[string]bool{"openat2": false, "walk": true} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "root")
			for _, d := range []string{"a/b", "run"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(dir+"/a/b/file", []byte("inside"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/../outside", []byte("outside"), 0o644); err != nil {
				t.Fatal(err)
			}
			for l, to := range map[string]string{
				"abs": "/a/b", "up": "../../../../a", "loop": "loop", "escape": "../outside", "dangling": "/nowhere/x",
				"a/back": "../run", "chain": "abs/../back", "magic": "/proc/self/root",
			} {
				if err := os.Symlink(to, filepath.Join(dir, l)); err != nil {
					t.Fatal(err)
				}
			}
			r, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			r.walk = walk
			f(t, r, dir)
		})
	}
}

func TestResolutionStaysInside(t *testing.T) {
	both(t, func(t *testing.T, r *Root, dir string) {
		for p, want := range map[string]string{
			"/": "", "abs": "/a/b", "/abs/file": "/a/b/file", "up/b": "/a/b", "../../a": "/a", "chain": "/run", "a/back/../a": "/a",
		} {
			f, err := r.OpenPath(p, 0)
			if err != nil {
				t.Errorf("%s: %v", p, err)
				continue
			}
			got, _ := os.Readlink("/proc/self/fd/" + itoa(int(f.Fd())))
			_ = f.Close()
			if got != dir+want {
				t.Errorf("%s is %s, want %s", p, got, dir+want)
			}
		}
		for p, want := range map[string]error{"escape": unix.ENOENT, "loop": unix.ELOOP, "dangling": unix.ENOENT, "a/b/file/x": unix.ENOTDIR, "magic": unix.ENOENT} {
			if f, err := r.OpenPath(p, 0); !errors.Is(err, want) {
				t.Errorf("%s: %v (%v), want %v", p, err, f, want)
			}
		}
	})
}

func TestMakingStaysInside(t *testing.T) {
	both(t, func(t *testing.T, r *Root, dir string) {
		for _, p := range []string{"abs/new/deep", "up/x", "/fresh/../fresh2/y"} {
			f, err := r.MkdirAll(p, 0o755)
			if err != nil {
				t.Fatalf("%s: %v", p, err)
			}
			_ = f.Close()
		}
		for _, p := range []string{"a/b/new/deep", "a/x", "fresh2/y"} {
			if st, err := os.Stat(filepath.Join(dir, p)); err != nil || !st.IsDir() {
				t.Errorf("%s: %v", p, err)
			}
		}
		// A link to nothing: what it names is made, inside; one that never ends is not.
		if f, err := r.MkdirAll("dangling/y", 0o755); err != nil {
			t.Error(err)
		} else {
			_ = f.Close()
		}
		if st, err := os.Lstat(dir + "/nowhere/x/y"); err != nil || !st.IsDir() {
			t.Errorf("behind a link to nothing: %v", err)
		}
		if err := os.Symlink("/later/file", dir+"/tofile"); err != nil {
			t.Fatal(err)
		}
		if f, err := r.Touch("tofile", 0o600); err != nil {
			t.Error(err)
		} else {
			_ = f.Close()
		}
		if st, err := os.Lstat(dir + "/later/file"); err != nil || !st.Mode().IsRegular() {
			t.Errorf("file behind a link to nothing: %v", err)
		}
		if _, err := r.MkdirAll("loop/x", 0o755); !errors.Is(err, unix.ELOOP) {
			t.Errorf("directory behind a loop: %v", err)
		}
		f, err := r.Touch("abs/t/file", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if st, err := os.Stat(dir + "/a/b/t/file"); err != nil || !st.Mode().IsRegular() {
			t.Error(err)
		}
		if _, err := r.Create("escape", 0o600); !errors.Is(err, unix.EEXIST) {
			t.Errorf("create over a link: %v", err)
		}
		if b, err := os.ReadFile(dir + "/../outside"); err != nil || string(b) != "outside" {
			t.Errorf("outside: %q, %v", b, err)
		}
	})
}

func TestReadFileIsBounded(t *testing.T) {
	both(t, func(t *testing.T, r *Root, dir string) {
		if b, err := r.ReadFile("/abs/file", 6); err != nil || string(b) != "inside" {
			t.Errorf("%q, %v", b, err)
		}
		if _, err := r.ReadFile("/abs/file", 5); err == nil {
			t.Error("read more than the limit")
		}
		if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadFile("fifo", 5); err == nil {
			t.Error("read a FIFO")
		}
	})
}
