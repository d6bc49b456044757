package ground

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOf(t *testing.T) {
	here, err := Of(t.TempDir())
	if err != nil || here.NoExec {
		t.Errorf("%+v, %v", here, err)
	}
	below, err := Of(filepath.Join(t.TempDir(), "not/yet/there"))
	if err != nil || below != here {
		t.Errorf("%+v, %v", below, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Of(file + "/x"); err == nil {
		t.Error("no error below a file")
	}
}

func TestOfOverlay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	dir := t.TempDir()
	if err := unix.Mount("o", dir, "overlay", unix.MS_NOEXEC, "lowerdir=/usr:/etc"); err != nil {
		t.Skipf("no overlay here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	if g, err := Of(dir); err != nil || g.Nested != "overlay" || !g.NoExec {
		t.Errorf("%+v, %v", g, err)
	}
}
