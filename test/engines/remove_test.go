package engines

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// removedWhole removes the container and looks for its process and cgroups. The states are
// looked for at the end of the test.
func (c *container) removedWhole() {
	c.Helper()
	pid := c.pid()
	var dirs []string
	for _, controller := range []string{"memory", "pids", "freezer", "devices"} {
		dir, _ := cgroupDir(c.T, pid, controller)
		dirs = append(dirs, dir)
	}
	if len(c.e.states(c.T, c.runtimeName)) == 0 {
		c.Errorf("%s keeps no state where it is looked for", c.runtimeName)
	}
	c.remove()
	c.eventually("the end of the process", func() bool { return !alive(pid) })
	for _, dir := range dirs {
		c.eventually("the end of "+dir, func() bool {
			_, err := os.Stat(dir)
			return os.IsNotExist(err)
		})
	}
}

// removeRunning: one that runs is killed and goes whole.
func removeRunning(b *box) {
	b.start(options{}, "sh", "-c", "trap '' TERM INT; sleep 1000 & sleep 2000 & wait").removedWhole()
}

// removePaused: one that stands still as well.
func removePaused(b *box) {
	c := b.sleeper(options{})
	c.do("pause")
	c.removedWhole()
}

// removeAfterShim: the process that watches the container was killed; what containerd then asks of
// the runtime still removes everything. Podman of this version asks nothing after the death of conmon.
func removeAfterShim(b *box) {
	c := b.start(options{}, "sh", "-c", "trap '' TERM INT; sleep 1000 & sleep 2000 & wait")
	pid := c.pid()
	shim, err := strconv.Atoi(status(b.T, pid, "PPid"))
	if err != nil || shim < 2 {
		b.Fatalf("parent %d of %d: %v", shim, pid, err)
	}
	dir, _ := cgroupDir(b.T, pid, "pids")
	if err := unix.Kill(shim, unix.SIGKILL); err != nil {
		b.Fatal(err)
	}
	b.eventually("the end of the shim", func() bool { return !alive(shim) })
	if b.e.name == "ctr" { // its daemon has removed the task
		b.eventually("the end of the process", func() bool { return !alive(pid) })
		c.gone = true
		b.must(c.e.verb(b, "remove", c.name)[1]...)
	} else {
		c.remove()
	}
	b.eventually("the end of the process", func() bool { return !alive(pid) })
	b.eventually("the end of "+dir, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}

// removeFrozen: one whose cgroup somebody else has frozen.
func removeFrozen(b *box) {
	c := b.sleeper(options{})
	dir, unified := cgroupDir(b.T, c.pid(), "freezer")
	file, word := filepath.Join(dir, "freezer.state"), "FROZEN"
	if unified {
		file, word = filepath.Join(dir, "cgroup.freeze"), "1"
	}
	if err := os.WriteFile(file, []byte(word), 0); err != nil {
		b.Fatal(err)
	}
	b.eventually("the kernel's stop", func() bool { return frozen(b.T, c.pid()) })
	c.removedWhole()
}
