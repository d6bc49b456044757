package external

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDetachBelow takes away what a killed restore left mounted, and nothing beside it.
func TestDetachBelow(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount")
	}
	top := t.TempDir()
	source, state, beside := filepath.Join(top, "rootfs"), filepath.Join(top, "runtime"), filepath.Join(top, "runtime2")
	for _, dir := range []string{source, filepath.Join(state, "id/root"), beside} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(source, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{filepath.Join(state, "id/root"), filepath.Join(state, "id/root"), beside} {
		if err := unix.Mount(source, to, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(to, unix.MNT_DETACH) })
	}
	if err := detachBelow(state); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(source, "precious"), filepath.Join(beside, "precious")} {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s is gone: %v", file, err)
		}
	}
}
