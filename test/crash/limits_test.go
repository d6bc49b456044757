package crash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// untilEnd is a container that runs until SIGTERM, and ends with 7 then.
var untilEnd = []string{"run", "-d", "--name", "y", "--network", "none", busybox, "sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"}

// TestNoInodes takes the last inode of a disk: starts are refused in one line and leave everything as it was, what runs
// goes on, its exit code survives, and it can be removed.
func TestNoInodes(t *testing.T) {
	for _, d := range disks {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			m, _ := onDisk(t, d)
			m.must("create", "--name", "x", "--network", "none", busybox, "true")
			m.must(untilEnd...)
			m.eventually("it runs", 20*time.Second, func() bool { return m.must("logs", "y") == "up" })
			pid := m.with(nil, "inspect", "--format", "{{.State.Pid}}", "y").Stdout
			taken := noInodes(t, d.at(m))
			for _, args := range [][]string{
				{"start", "x"},
				{"run", "--rm", "--network", "none", busybox, "true"},
			} {
				m.refusedStart(saysFull, args...)
			}
			if got := m.statuses(); len(got) != 2 || got["x"] != "created" || got["y"] != "running" {
				t.Errorf("there is %v", got)
			}
			m.must("exec", "y", "true")
			if err := syscall.Kill(number(t, pid), syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if got := m.must("wait", "y"); got != "7" {
				t.Errorf("it ended with %s", got)
			}
			m.must("rm", "y")
			if err := os.RemoveAll(taken); err != nil {
				t.Fatal(err)
			}
			m.must("start", "x")
			m.must("wait", "x")
			m.must("rm", "x")
			m.empty("with inodes again")
		})
	}
}

// refusedStart wants a command to fail in one line that says why.
func (m *manager) refusedStart(why *regexp.Regexp, args ...string) {
	m.t.Helper()
	r := m.with(nil, args...)
	m.refused(r.Code, r.Stderr, why, args...)
}

func (m *manager) refused(code int, stderr string, why *regexp.Regexp, args ...string) {
	m.t.Helper()
	line := strings.TrimSuffix(storeWords.ReplaceAllString(fineWords.ReplaceAllString(stderr, ""), ""), "\n")
	if code != 125 || !strings.HasPrefix(line, "Error: ") || strings.Contains(line, "\n") || !why.MatchString(line) {
		m.t.Errorf("%v: exit code %d: %s", args, code, stderr)
	}
}

// noInodes takes all inodes of the disk by empty files in a folder, which it returns.
func noInodes(t *testing.T, dir string) string {
	t.Helper()
	taken := filepath.Join(dir, "taken")
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "nr_inodes="+fmt.Sprint(used(t, dir)+100)); err != nil {
		t.Skipf("the disk cannot be given fewer inodes: %v", err)
	}
	for i := 0; ; i++ {
		fd, err := unix.Open(filepath.Join(taken, fmt.Sprint(i)), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			return taken
		}
		if err != nil || i > 10_000 {
			t.Fatalf("after %d files: %v", i, err)
		}
		_ = unix.Close(fd)
	}
}

// used is how many inodes are taken.
func used(t *testing.T, dir string) uint64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Files - st.Ffree
}

func number(t *testing.T, text string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(text, &n); err != nil || n < 2 {
		t.Fatalf("%q is no process", text)
	}
	return n
}

// TestFileSizeLimit gives the command no file to grow (RLIMIT_FSIZE), as a shell's ulimit -f does: it is refused in one line,
// and what runs is not concerned.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must("create", "--name", "x", "--network", "none", busybox, "true")
	m.must(untilEnd...)
	m.eventually("it runs", 20*time.Second, func() bool { return m.must("logs", "y") == "up" })
	for _, args := range [][]string{
		{"start", "x"},
		{"run", "--rm", "--name", "z", "--network", "none", busybox, "true"},
		{"stop", "--time", "0", "y"},
	} {
		code, said := m.short("ulimit -f 0", args...)
		m.refused(code, said, saysFull, args...)
	}
	if got := m.statuses(); len(got) != 2 || got["x"] != "created" || got["y"] != "running" {
		t.Errorf("there is %v", got)
	}
	if err := syscall.Kill(number(t, m.must("inspect", "--format", "{{.State.Pid}}", "y")), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := m.must("wait", "y"); got != "7" {
		t.Errorf("it ended with %s", got)
	}
	m.must("rm", "x", "y")
	m.empty("without a limit")
}
