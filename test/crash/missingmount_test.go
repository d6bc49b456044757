package crash

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMissingMount takes away the mount that the store is on: no command begins a new store in its place, each says in one line what is
// missing, and with the mount everything is there again.
func TestMissingMount(t *testing.T) {
	t.Parallel()
	m := newEmpty(t)
	m.RunRoot = filepath.Join(m.TmpDir, "store")
	disk := filepath.Join(m.Dir, "disk")
	for _, dir := range []string{disk, m.Root} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64M,mode=0700"); err != nil {
		t.Skipf("a tmpfs cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	mount := func() {
		t.Helper()
		if err := unix.Mount(disk, m.Root, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
	}
	unmount := func() {
		t.Helper()
		for unix.Unmount(filepath.Join(m.Root, "overlay"), 0) == nil { // the driver's own
			continue
		}
		if err := unix.Unmount(m.Root, 0); err != nil {
			t.Fatal(err)
		}
	}
	mount()
	t.Cleanup(func() {
		m.Run("rm", "--all", "--force", "--time", "0")
		unmount()
	})
	m.disk = m.Root
	m.Image(t, "busybox")
	exited(m)
	m.awaitEnd()
	unmount()
	missing := regexp.MustCompile(`it was on another file system, which is not mounted now; mount it`)
	for _, args := range [][]string{
		{"ps", "--all"}, {"images"}, {"info"}, {"run", "--rm", "--network", "none", busybox, "true"}, {"volume", "create", "v"},
	} {
		m.refusedStart(missing, args...)
	}
	left, err := os.ReadDir(m.Root)
	if err != nil || len(left) > 0 {
		t.Errorf("in the place of the mount: %v, %v", left, err)
	}
	mount()
	m.must("start", "--attach", "x")
	m.must("rm", "x")
	unmount()
	if err := os.Remove(filepath.Join(m.TmpDir, "store-device")); err != nil { // as the hint says
		t.Error(err)
	}
	if got := m.must("ps", "--all", "--quiet"); got != "" {
		t.Errorf("in the new store: %s", got)
	}
	if err := os.RemoveAll(m.Root); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(m.Root, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := m.must("ps", "--all", "--quiet"); got != "" { // somebody has removed the store: that is no missing mount
		t.Errorf("in the newest store: %s", got)
	}
	mount()
}
