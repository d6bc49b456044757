package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/manager-project/manager/internal/fault/arming"
	"github.com/manager-project/manager/internal/testenv"
)

// busybox is the image of all containers here.
const busybox = "localhost/busybox"

// manager is a private manager whose commands can be killed.
type manager struct {
	*testenv.Manager
	t *testing.T
	// layers are the driver's directories when there is no container.
	layers []string
	// disk is a mount point of the test, or "".
	disk string
	// log takes the points at which processes were struck.
	log arming.Log
}

// newManager makes a manager with the image loaded. At the end of the test nothing may be left.
func newManager(t *testing.T) *manager {
	t.Helper()
	m := newEmpty(t)
	m.Image(t, "busybox")
	m.layers = m.driverDirs()
	return m
}

// newEmpty makes a manager whose store does not exist yet.
func newEmpty(t *testing.T) *manager {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers without privileges are not available in this version")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	monitor, name, err := monitorProgram()
	if err != nil {
		t.Fatal(err)
	}
	inner, err := testenv.OpenManager("")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(inner.Dir, "bin") // so that its processes are known by their program
	for from, to := range map[string]string{self: "manager", monitor: name} {
		if err := place(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	inner.Program = filepath.Join(dir, "manager")
	m := &manager{Manager: inner, t: t, log: arming.Log{Path: filepath.Join(inner.Dir, "faults")}}
	t.Cleanup(func() {
		for _, line := range inner.Close() {
			t.Error(line)
		}
	})
	return m
}

// place gives a program another name, by a copy if it must be.
func place(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// ended is how a command ended that may have been killed.
type ended struct {
	testenv.Result
	killed bool
}

// with runs a command with additional words of environment.
func (m *manager) with(env []string, args ...string) ended {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := m.Command(ctx, args...)
	cmd.Env = append(append(slices.Clone(m.Env), userWord, m.log.Word()), env...)
	cmd.WaitDelay = 2 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	if took := time.Since(began); took > time.Second {
		m.t.Logf("slow: %v for manager %s", took, strings.Join(args, " "))
	}
	r := ended{Result: testenv.Result{Stdout: stdout.String(), Stderr: stderr.String()}}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.Code = exit.ExitCode()
		r.killed = exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL && exit.Sys().(syscall.WaitStatus).Signaled()
	} else if err != nil {
		m.t.Fatalf("manager %s: %v\n%s", strings.Join(args, " "), err, r.Stderr)
	}
	if ctx.Err() != nil {
		m.t.Fatalf("manager %s hangs\n%s", strings.Join(args, " "), r.Stderr)
	}
	return r
}

// must runs a command that has to succeed without a word on standard error.
func (m *manager) must(args ...string) string {
	m.t.Helper()
	r := m.with(nil, args...)
	if r.Code != 0 || fineWords.ReplaceAllString(r.Stderr, "") != "" {
		m.t.Errorf("manager %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

// fineWords are what stop says of a program that does not listen to the signal, the store when it takes away
// what a killed command had begun, what keeps events and ends when the disk has no room for them, and progress.
var fineWords = regexp.MustCompile(`(?m)^Giving the files of \S+ to the container's ids\n|^Warning: container \S+ was killed: .*\n|^.*Found incomplete layer .*, deleting it"\n|^.*level=warning msg="log \S+: no space left on device"\n`)

// statuses are the containers by name.
func (m *manager) statuses() map[string]string {
	m.t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(m.must("ps", "--all", "--format", "{{.Names}} {{.State}}")) {
		name, status, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name] = status
	}
	return found
}

// empty checks that no trace of a container is left, waiting a little for what ends by itself.
func (m *manager) empty(when string) {
	m.t.Helper()
	var left []string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if left = m.traces(); len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
	}
	m.t.Errorf("%s: left behind:\n%s", when, strings.Join(left, "\n"))
}

// traces lists what containers leave: mounts, cgroups, processes, directories, layers.
func (m *manager) traces() []string {
	var left []string
	list, err := mountinfo.GetMounts(mountinfo.PrefixFilter(m.Dir))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, mount := range list {
		if mount.Mountpoint != filepath.Join(m.Root, "overlay") && mount.Mountpoint != m.disk { // the driver's own, see testenv
			left = append(left, "mount "+mount.Mountpoint)
		}
	}
	for _, pattern := range []string{
		"/sys/fs/cgroup/*" + m.CgroupParent + "/manager-*", "/sys/fs/cgroup" + m.CgroupParent + "/manager-*",
		filepath.Join(m.Root, "manager/containers/*"), filepath.Join(m.TmpDir, "containers/*"),
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			m.t.Fatal(err)
		}
		left = append(left, found...)
	}
	for _, file := range []string{"containers.json", "volatile-containers.json"} {
		var records []struct{ ID string }
		if text, err := os.ReadFile(filepath.Join(m.Root, "overlay-containers", file)); err == nil && json.Unmarshal(text, &records) == nil {
			for _, r := range records {
				left = append(left, "store record "+r.ID)
			}
		}
	}
	for _, dir := range m.driverDirs() {
		if !slices.Contains(m.layers, dir) {
			left = append(left, "layer "+dir)
		}
	}
	for _, p := range m.processes() {
		left = append(left, fmt.Sprintf("process %d %s", p.PID, p.Command))
	}
	return left
}

// driverDirs are the layers on disk. The storage library, killed in the middle, may leave an
// empty directory with which it tried a feature, and a short link to a layer that is gone; both
// are its own, and nothing looks at them again.
func (m *manager) driverDirs() []string {
	found, err := filepath.Glob(filepath.Join(m.Root, "overlay/*"))
	if err != nil {
		m.t.Fatal(err)
	}
	found = slices.DeleteFunc(found, func(dir string) bool { return strings.Contains(dir, "-check") })
	links, err := filepath.Glob(filepath.Join(m.Root, "overlay/l/*"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, link := range links {
		if _, err := os.Stat(link); err == nil {
			found = append(found, link)
		}
	}
	return found
}
