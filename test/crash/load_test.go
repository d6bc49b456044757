package crash

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/fault/arming"
	"github.com/manager-project/manager/internal/testenv"
)

// percentile is the time that so many of a hundred did not take longer than.
func percentile(times []time.Duration, of int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)*of/100, len(times)-1)]
}

// listener is a program that hears SIGTERM and stays.
var listener = []string{"sh", "-c", "trap 'echo heard' TERM; while :; do sleep 0.1; done"}

// TestLongStopDelaysNobody stops a container that takes its time: everything else goes on, with the same
// container too, and what ends it ends the stop.
func TestLongStopDelaysNobody(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must(append([]string{"run", "-d", "--name", "x", "--network", "none", busybox}, listener...)...)
	m.must("run", "-d", "--name", "y", "--network", "none", busybox, "sleep", "1000")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	stop := m.Command(ctx, "stop", "--time", "3600", "x")
	var said bytes.Buffer
	stop.Stdout, stop.Stderr = &said, &said
	if err := stop.Start(); err != nil {
		t.Fatal(err)
	}
	m.eventually("it was asked to stop", 20*time.Second, func() bool { return strings.Contains(m.Run("logs", "x").Stdout, "heard") })
	for _, args := range [][]string{
		{"ps", "--all"},
		{"inspect", "x"},
		{"logs", "x"},
		{"top", "x"},
		{"rename", "x", "z"},
		{"rename", "z", "x"},
		{"exec", "y", "true"},
		{"stop", "--time", "0", "y"},
		{"start", "y"},
		{"rm", "--force", "--time", "0", "y"},
		{"run", "--rm", "--network", "none", busybox, "true"},
		{"volume", "create", "v"},
		{"volume", "rm", "v"},
		{"images"},
		{"kill", "x"},
	} {
		m.must(args...)
	}
	if err := stop.Wait(); err != nil {
		t.Errorf("stop: %v: %s", err, said.String())
	}
	m.must("rm", "x")
	m.empty("after a long stop")
}

// TestStoppedLockHolder stops a command while it holds a container's lock: all that only reads answers, and so does
// all about other containers. When it goes on, so does who waited.
func TestStoppedLockHolder(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must(sleeper...)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	holder := m.Command(ctx, "pause", "x")
	holder.Env = append(slices.Clone(m.Env), m.log.Word(), arming.Word(arming.Client, "stop=pause: noted"))
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	m.eventually("it stands still", 20*time.Second, func() bool { return m.struck() != "" })
	for _, args := range [][]string{
		{"ps", "--all"},
		{"inspect", "x"},
		{"logs", "x"},
		{"images"},
		{"volume", "ls"},
		{"run", "--rm", "--network", "none", busybox, "true"},
		{"create", "--name", "y", "--network", "none", busybox, "true"},
		{"rm", "y"},
	} {
		m.must(args...)
	}
	waits := make(chan testenv.Result, 1)
	go func() { waits <- m.Run("rm", "--force", "--time", "0", "x") }()
	if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if r := <-waits; r.Code != 0 {
		t.Errorf("rm: exit code %d: %s", r.Code, r.Stderr)
	}
	_ = holder.Wait() // paused, or removed before that
	m.empty("after the holder went on")
}

// TestExitCodeOnFullDisk ends a container while the disk of the run directories is full: its exit code is kept.
func TestExitCodeOnFullDisk(t *testing.T) {
	t.Parallel()
	m, ballast := onDisk(t, disks[1])
	m.must("run", "-d", "--name", "x", "--network", "none", busybox, "sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done")
	m.eventually("it runs", 20*time.Second, func() bool { return m.must("logs", "x") == "up" })
	m.cleanupFaults(arming.Word(arming.Cleanup, "after=0s"))
	pid := m.pid("Pid")
	arming.Fill(ballast)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.monitorGone()
	if got := m.must("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "x"); got != "exited 7" {
		t.Errorf("it is %s", got)
	}
	m.must("rm", "x")
}

// TestManyExecs runs commands in one container one after the other: none leaves a process, a file or a
// record. The soak runs a thousand.
func TestManyExecs(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must(sleeper...)
	m.must("exec", "x", "true")
	before := m.picture()
	for i := range 1000 / every(10) {
		if r := m.Run("exec", "x", "sh", "-c", fmt.Sprintf("exit %d", i%100)); r.Code != i%100 || r.Stderr != "" {
			t.Fatalf("exec %d: exit code %d: %s", i, r.Code, r.Stderr)
		}
	}
	m.eventually("all is as before", 20*time.Second, func() bool { return slices.Equal(m.picture(), before) })
	if t.Failed() {
		t.Logf("before %q\nafter %q", before, m.picture())
	}
	m.must("rm", "--force", "--time", "0", "x")
	m.empty("after the commands")
}

// picture names the container's processes, files of ours and descriptors of its monitor.
func (m *manager) picture() []string {
	m.t.Helper()
	var all []string
	for _, p := range m.processes() {
		all = append(all, fmt.Sprintf("process %d", p.PID))
	}
	all = append(all, m.ours()...)
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.pid("ConmonPid")))
	if err != nil {
		m.t.Fatal(err)
	}
	return append(all, fmt.Sprintf("%d descriptors", len(fds)))
}

// use is what a store and one of its monitors take.
type use struct{ memory, descriptors, disk, files int64 }

// taken measures it: bytes of the monitor's memory that it has written, since what it has of its program alone or together
// with others depends on these; its descriptors, the bytes on the disk and the number of files.
func (m *manager) taken(monitor int) use {
	m.t.Helper()
	var u use
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", monitor))
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "Private_Dirty:" {
			n, _ := strconv.ParseInt(words[1], 10, 64)
			u.memory += n << 10
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", monitor))
	if err != nil {
		m.t.Fatal(err)
	}
	u.descriptors = int64(len(fds))
	for _, dir := range []string{m.Root, m.RunRoot, m.TmpDir} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.Contains(path, "/merged/") {
				if st, err := d.Info(); err == nil {
					u.disk += st.Size()
					u.files++
				}
			}
			return nil
		})
	}
	return u
}

// TestFlat goes round for as long as the soak takes, five minutes in the ordinary run, of which other tests get half the
// time. What stays between the rounds, and the monitor of a container that runs all the time, take no more in the
// end than after the first rounds.
func TestFlat(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	m.must("run", "-d", "--name", "steady", "--network", "none", busybox, "sleep", "100000")
	monitor, err := strconv.Atoi(m.must("inspect", "--format", "{{.State.ConmonPid}}", "steady"))
	if err != nil {
		t.Fatal(err)
	}
	round := func() {
		m.must(sleeper...)
		m.must("exec", "x", "true")
		m.must("exec", "steady", "true")
		m.must("run", "--rm", "--network", "none", "-v", "/anonymous", busybox, "true")
		m.must("volume", "create", "v")
		m.must("stop", "--time", "0", "x")
		m.must("start", "x")
		m.must("rm", "--force", "--time", "0", "x")
		m.must("volume", "rm", "v")
		m.must("tag", busybox, "localhost/more")
		m.must("untag", busybox, "localhost/more")
	}
	// The log of the state file grows until it is folded in, at 256 pages; so does the first use of everything.
	const warm = 5
	for range warm {
		round()
	}
	begin := m.taken(monitor)
	rounds, end := 0, time.Now().Add(max(soak(), 5*time.Minute))
	for ; time.Now().Before(end) && !t.Failed(); rounds++ {
		started := time.Now()
		round()
		if soak() == 0 {
			time.Sleep(time.Since(started))
		}
	}
	m.awaitOthers("steady")
	now := m.taken(monitor)
	t.Logf("%d rounds: %+v, then %+v", rounds, begin, now)
	const logRoom = 4 << 20 // of the state file's log
	if now.memory > begin.memory+(256<<10) || now.descriptors > begin.descriptors || now.disk > begin.disk+logRoom || now.files > begin.files+4 {
		t.Errorf("after %d rounds it takes %+v, was %+v", rounds, now, begin)
	}
	m.must("rm", "--force", "--time", "0", "steady")
	m.empty("after the rounds")
}

// awaitOthers waits until nothing is left but one container's processes.
func (m *manager) awaitOthers(name string) {
	m.t.Helper()
	m.eventually("only "+name+" is left", 10*time.Second, func() bool {
		others := slices.DeleteFunc(m.processes(), func(p testenv.Process) bool { return !strings.Contains(p.Command, "cleanup") })
		return len(others) == 0
	})
}
