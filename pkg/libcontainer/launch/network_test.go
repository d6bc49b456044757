package launch

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace is set in the copy of this program that TestNoNetwork starts.
const inNamespace = "LAUNCH_TEST_IN_NAMESPACE"

// TestMakeNetwork makes namespaces at the same time. They are others than the caller's and than each other, and no
// thread is left in one.
func TestMakeNetwork(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	own := networkOf(t, "/proc/self/ns/net")
	var seen sync.Map
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			made := <-MakeNetwork()
			if made == nil {
				t.Error("none was made")
				return
			}
			defer func() { _ = made.Close() }()
			kind, err := unix.IoctlRetInt(int(made.Fd()), unix.NS_GET_NSTYPE)
			if err != nil || kind != unix.CLONE_NEWNET {
				t.Errorf("a namespace of kind %#x, %v", kind, err)
			}
			inode := networkOf(t, fmt.Sprintf("/proc/self/fd/%d", made.Fd()))
			if _, twice := seen.LoadOrStore(inode, true); twice || inode == own {
				t.Errorf("namespace %d is not new", inode)
			}
		})
	}
	group.Wait()
	nobodyElsewhere(t, own)
}

// TestNoNetwork: none comes where none can be made, and the caller is where it was.
func TestNoNetwork(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestNoNetwork$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		id := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: id, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	if err := os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	own := networkOf(t, "/proc/self/ns/net")
	if made := <-MakeNetwork(); made != nil {
		t.Error("one was made")
	}
	nobodyElsewhere(t, own)
}

// networkOf is the inode of a namespace.
func networkOf(t *testing.T, path string) uint64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Ino
}

// nobodyElsewhere wants all threads of this process in a namespace.
func nobodyElsewhere(t *testing.T, own uint64) {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		st, err := os.Stat("/proc/self/task/" + thread.Name() + "/ns/net")
		if err == nil && st.Sys().(*syscall.Stat_t).Ino != own {
			t.Errorf("thread %s is in another namespace", thread.Name())
		}
	}
}
