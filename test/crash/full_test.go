package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault/arming"
)

// disk is a file system that gets full.
type disk struct {
	name string
	// at is the folder that it is mounted on.
	at   func(m *manager) string
	size string
}

var disks = []disk{
	{"store", func(m *manager) string { return m.Root }, "64m"},
	{"run", func(m *manager) string { return m.TmpDir }, "32m"},
}

// onDisk makes a manager that has a folder on a small disk of its own.
func onDisk(t *testing.T, d disk) (m *manager, ballast string) {
	t.Helper()
	m = newEmpty(t)
	m.RunRoot = filepath.Join(m.TmpDir, "store") // both folders for what runs are on one disk
	dir := d.at(m)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+d.size+",mode=0700"); err != nil {
		t.Skipf("a tmpfs cannot be mounted: %v", err)
	}
	ballast = filepath.Join(dir, "ballast")
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
	m.disk = dir
	m.Image(t, "busybox")
	m.layers = m.driverDirs()
	return m, ballast
}

// saysFull is what an error says of a full disk, whatever it was that met it.
var saysFull = regexp.MustCompile(`no space left|full|No space left`)

// storeWords are the storage library's own, about a layer that the next command removes.
var storeWords = regexp.MustCompile(`(?m)^.*level=error msg="While recovering from a failure .*\n`)

// TestDiskFullAtEachPoint fills the disk at each point of each command. The command does what it was to
// do, or says that the disk is full; what was there stays; everything can be removed while the disk is
// full; and with room again the program is used as if nothing had happened.
func TestDiskFullAtEachPoint(t *testing.T) {
	for _, d := range disks {
		for i, k := range sweep {
			t.Run(d.name+"/"+k.name, func(t *testing.T) {
				t.Parallel()
				m, ballast := onDisk(t, d)
				if k.prepare != nil {
					k.prepare(m, &k)
				}
				step := every(6)
				n := 1 + i%step
				cases := 0
				for ; k.full(m, ballast, n) && !t.Failed(); n += step {
					cases++
				}
				count("disk full: "+d.name, cases)
				t.Logf("full at %d points", cases)
			})
		}
	}
}

// full fills the disk at the command's nth point. False says that it has no more.
func (k *killed) full(m *manager, ballast string, n int) bool {
	m.t.Helper()
	if k.setup != nil {
		k.setup(m)
	}
	m.must("create", "--name", "bystander", "--network", "none", busybox, "true")
	r := m.with([]string{arming.Word(arming.Client, fmt.Sprintf("full=%d", n)), arming.BallastWord(ballast)}, k.args...)
	when := m.struck()
	if r.Code != 0 && r.Code != 3 {
		line := strings.TrimSuffix(storeWords.ReplaceAllString(fineWords.ReplaceAllString(r.Stderr, ""), ""), "\n")
		if r.Code != 125 || !strings.HasPrefix(line, "Error: ") || strings.Contains(line, "\n") || !saysFull.MatchString(line) {
			m.t.Errorf("%s: exit code %d: %s", when, r.Code, r.Stderr)
		}
	}
	for name, status := range m.statuses() {
		if name == "bystander" && status != "created" || !knownState[status] {
			m.t.Errorf("%s: %s is %s", when, name, status)
		}
	}
	for _, name := range []string{"x", "y"} {
		if _, there := m.statuses()[name]; there {
			m.must("rm", "--force", "--volumes", "--time", "0", name)
		}
	}
	if _, there := m.statuses()["bystander"]; there || k.name != "prune" {
		m.must("rm", "bystander") // it was there all the time, and needs no room to go
	}
	if err := os.Remove(ballast); err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	m.awaitEnd()
	if k.objects || k.prepare != nil {
		k.then(m)
	}
	m.reuse(when)
	if m.t.Failed() {
		m.t.Logf("this was point %d, %s\n%s", n, when, r.Stderr)
	}
	return when != ""
}
