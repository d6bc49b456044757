package libcontainer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer"
)

// TestImageKilled kills images that build containers, at any moment. The small program then builds the container, or, if
// it was built already, its start fails. Nothing is left of either.
func TestImageKilled(t *testing.T) {
	if small {
		t.Skip("containers are built by the small program here")
	}
	root := testRoot(t)
	prog, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = prog.Close() }()
	f := &libcontainer.Factory{Root: t.TempDir(), Program: prog}
	const cases = 60
	hits, started := 0, 0
	for i := range cases {
		id := fmt.Sprintf("killed-%d-%d", os.Getpid(), i)
		stop, killed := make(chan struct{}), make(chan bool)
		go func() { killed <- killImage(stop, time.Duration(i)*40*time.Microsecond) }()
		c, err := f.Create(t.Context(), id, libcontainer.Config{Bundle: root, Spec: testSpec(root, "true")})
		close(stop)
		hit := <-killed
		if hit {
			hits++
		}
		if err == nil {
			if err = c.Start(); err == nil {
				started++
				if st, waitErr := c.Process().Wait(); waitErr != nil || st.Code != 0 && !hit {
					t.Errorf("%s: code %d, %v", id, st.Code, waitErr)
				}
			}
			if err := c.Kill(); err != nil {
				t.Errorf("%s: remove: %v", id, err)
			}
			_ = c.Close()
		}
		if err != nil && !hit {
			t.Errorf("%s: %v", id, err)
		}
		left, _ := filepath.Glob("/sys/fs/cgroup/*/" + id)
		state, _ := filepath.Glob(filepath.Join(f.Root, "*"))
		if left = append(left, state...); len(left) > 0 {
			t.Fatalf("%s: left behind: %v", id, left)
		}
		if pids := images(t); len(pids) > 0 {
			t.Fatalf("%s: images are left: %v", id, pids)
		}
	}
	if hits == 0 || started == 0 {
		t.Errorf("%d of %d were killed, %d started", hits, cases, started)
	}
}

// killImage waits for a child that executes an image, and for a moment, and kills it. It says whether it did.
func killImage(stop <-chan struct{}, moment time.Duration) bool {
	for {
		select {
		case <-stop:
			return false
		default:
		}
		for _, pid := range imageChildren() {
			time.Sleep(moment)
			return unix.Kill(pid, unix.SIGKILL) == nil
		}
	}
}

// images are the images among the children of this process, without those that are just ending.
func images(t *testing.T) []int {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if pids := imageChildren(); len(pids) == 0 || time.Now().After(deadline) {
			return pids
		}
	}
}

func imageChildren() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, word := range strings.Fields(string(text)) {
			if exe, err := os.Readlink("/proc/" + word + "/exe"); err != nil || !strings.HasPrefix(exe, "/memfd:exec") {
				continue
			}
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
