package cgroups

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// mountNetwork mounts the hierarchy of classes and priorities, in a mount namespace of the test's thread, which ends
// with the test: nobody else's copy keeps it.
func mountNetwork(t *testing.T) (dir string) {
	t.Helper()
	testenv.Need(t, testenv.Root)
	runtime.LockOSThread() // for good: the thread is not given back
	dir = t.TempDir()
	for _, err := range []error{
		unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	err := unix.Mount("cgroup", dir, "cgroup", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, "net_cls,net_prio")
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		t.Skipf("%sa kernel with net_cls and net_prio, which no hierarchy has: %v", testenv.LeftToHost, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := giveBack(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// giveBack unmounts the hierarchy until it is gone: a cgroup that was removed a moment ago keeps it alive without a
// mount, and a later unmount finds that gone.
func giveBack(dir string) error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err := unix.Unmount(dir, 0); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // the kernel takes it away a moment later
		text, err := os.ReadFile("/proc/self/cgroup")
		if err != nil || !strings.Contains(string(text), ":net_cls,net_prio:") {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("the hierarchy of net_cls and net_prio does not end")
		}
		if err := unix.Mount("cgroup", dir, "cgroup", 0, "net_cls,net_prio"); err != nil {
			return err
		}
	}
}

// TestKernelNetwork reads class and priorities back from the kernel.
func TestKernelNetwork(t *testing.T) {
	dir := filepath.Join(mountNetwork(t), testenv.CgroupPrefix+"network")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Rmdir(dir); err != nil {
			t.Error(err)
		}
	}()
	c := &Cgroup{layout: hostLayout(t), v1: map[string]string{"net_cls": dir, "net_prio": dir}, v1Dirs: []string{dir}}
	if err := c.Set(resources(t, `{"network":{"classID":1048577,"priorities":[{"name":"lo","priority":3}]}}`)); err != nil {
		t.Fatal(err)
	}
	if got := readShort(filepath.Join(dir, "net_cls.classid")); got != "1048577" {
		t.Errorf("class %q", got)
	}
	priorities, err := os.ReadFile(filepath.Join(dir, "net_prio.ifpriomap"))
	if err != nil || !strings.Contains("\n"+string(priorities), "\nlo 3\n") {
		t.Errorf("priorities %q, %v", priorities, err)
	}
	err = c.Set(resources(t, `{"network":{"classID":7,"priorities":[{"name":"nosuch0","priority":1}]}}`))
	if err == nil || !strings.Contains(err.Error(), "linux.resources.network.priorities[0]") {
		t.Errorf("an interface that is not there: %v", err)
	}
	if got := readShort(filepath.Join(dir, "net_cls.classid")); got != "1048577" {
		t.Errorf("the class was not put back: %q", got)
	}
}
