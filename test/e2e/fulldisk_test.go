package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// fullDisk mounts a small tmpfs at dir and returns what fills and what empties it.
func fullDisk(t *testing.T, m *testenv.Manager, dir string, size string) (fill, free func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		t.Skipf("a tmpfs cannot be mounted: %v", err)
	}
	ballast := filepath.Join(dir, "ballast")
	t.Cleanup(func() {
		_ = os.Remove(ballast)
		m.Run("rm", "--all", "--force", "--time", "0")
		for unix.Unmount(filepath.Join(dir, "overlay"), 0) == nil {
			continue
		}
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
	fill = func() {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		block := make([]byte, 1<<16)
		for err == nil {
			if _, err = f.Write(block); err != nil && len(block) > 1 {
				block, err = block[:len(block)/2], nil
			}
		}
		_ = f.Close()
	}
	return fill, func() { _ = os.Remove(ballast) }
}

// refusedByFullDisk checks an error about a full disk: one line that says so and what to do.
func refusedByFullDisk(t *testing.T, what string, r testenv.Result) {
	t.Helper()
	t.Logf("%s: %d %s", what, r.Code, r.Stderr)
	line := strings.TrimSuffix(r.Stderr, "\n")
	if r.Code != 125 || r.Stdout != "" || strings.Contains(line, "\n") || !strings.Contains(line, "; ") ||
		!strings.Contains(line, "no space left") && !strings.Contains(line, "full") {
		t.Errorf("%s: code %d, output %q, error %q", what, r.Code, r.Stdout, r.Stderr)
	}
}

// TestFullRunDirectory fills the disk of the run directory.
func TestFullRunDirectory(t *testing.T) {
	m := testenv.NewManager(t)
	m.TmpDir = filepath.Join(m.Dir, "tiny")
	fill, free := fullDisk(t, m, m.TmpDir, "64m")
	m.Image(t, "busybox")
	m.MustRun(t, "run", "-d", "--network", "none", "--name", "up", "localhost/busybox", "sleep", "1000")
	m.MustRun(t, "create", "--network", "none", "--name", "made", "localhost/busybox", "true")
	fill()
	before := m.MustRun(t, "ps", "-a", "--format", "{{.Names}} {{.State}}")
	refusedByFullDisk(t, "run", m.Run("run", "--rm", "--network", "none", "localhost/busybox", "true"))
	refusedByFullDisk(t, "start", m.Run("start", "made"))
	if after := m.MustRun(t, "ps", "-a", "--format", "{{.Names}} {{.State}}"); after != before {
		t.Errorf("containers were %q, are %q", before, after)
	}
	m.MustRun(t, "exec", "up", "true")
	m.MustRun(t, "stop", "-t", "0", "up")
	m.MustRun(t, "rm", "up")
	free()
	m.MustRun(t, "start", "-a", "made")
	m.MustRun(t, "rm", "made")
}

// TestFullStore fills the disk of images and containers.
func TestFullStore(t *testing.T) {
	m := testenv.NewManager(t)
	fill, free := fullDisk(t, m, m.Root, "48m")
	m.Image(t, "busybox")
	archive := filepath.Join(m.Dir, "more.tar")
	m.MustRun(t, "save", "-q", "-o", archive, "localhost/busybox")
	m.MustRun(t, "create", "--network", "none", "--name", "made", "localhost/busybox", "true")
	m.MustRun(t, "run", "-d", "--network", "none", "--name", "up", "localhost/busybox", "sleep", "1000")
	m.MustRun(t, "create", "--network", "none", "--name", "other", "localhost/busybox", "true")
	fill()
	before := m.MustRun(t, "ps", "-a", "--format", "{{.Names}} {{.State}}")
	refusedByFullDisk(t, "create", m.Run("create", "--network", "none", "localhost/busybox", "true"))
	refusedByFullDisk(t, "import", m.Run("import", "-q", archive, "localhost/imported"))
	if after := m.MustRun(t, "ps", "-a", "--format", "{{.Names}} {{.State}}"); after != before {
		t.Errorf("containers were %q, are %q", before, after)
	}
	if got := m.MustRun(t, "images", "--format", "{{.Repository}}"); got != "localhost/busybox" {
		t.Errorf("images %q", got)
	}
	m.MustRun(t, "exec", "up", "true")
	m.MustRun(t, "stop", "-t", "0", "up")
	m.MustRun(t, "rm", "other")
	m.MustRun(t, "rm", "up")
	free()
	m.MustRun(t, "create", "--network", "none", "--name", "again", "localhost/busybox", "true")
	m.MustRun(t, "rm", "again", "made")
	m.MustRun(t, "rmi", "localhost/busybox")
}
