package crash

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadOnlyStore makes the disk of the store read-only, as the kernel does with one that fails: what only reads answers, and
// what would write, or needs the storage library, fails in one line that says so.
func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	m, _ := onDisk(t, disks[0])
	exited(m)
	m.must("volume", "create", "v")
	m.awaitEnd()
	for unix.Unmount(m.Root+"/overlay", 0) == nil { // the storage driver's own, which would be in the way
		continue
	}
	if err := unix.Mount("", m.Root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	writable := func() {
		if err := unix.Mount("", m.Root, "", unix.MS_REMOUNT, ""); err != nil {
			t.Error(err)
		}
	}
	defer writable()
	for _, args := range [][]string{
		{"ps", "--all"},
		{"inspect", "x"},
		{"logs", "x"},
		{"volume", "ls"},
		{"volume", "inspect", "v"},
		{"wait", "x"},
		{"events", "--stream=false"},
		{"version"},
		{"container", "exists", "x"},
		{"why", "x"},
		{"image", "inspect", busybox},
		{"history", busybox},
		{"info"},
	} {
		m.must(args...)
	}
	if got := m.must("images", "--format", "{{.Repository}}"); got != strings.TrimSuffix(busybox, ":latest") {
		t.Errorf("images: %q", got)
	}
	readOnly := regexp.MustCompile(`read-only|readonly`)
	for _, args := range [][]string{
		{"start", "x"},
		{"rm", "x"},
		{"run", "--rm", "--network", "none", busybox, "true"},
		{"create", "--network", "none", busybox, "true"},
		{"rename", "x", "y"},
		{"rmi", "--force", busybox},
		{"tag", busybox, "localhost/tagged"},
		{"volume", "create", "w"},
		{"volume", "rm", "v"},
	} {
		m.refusedStart(readOnly, args...)
	}
	writable()
	m.must("start", "--attach", "x")
	m.must("rm", "x")
	m.must("volume", "rm", "v")
	m.reuse("writable again")
}
