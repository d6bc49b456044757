package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// follower is a command whose standard output is kept.
type follower struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
}

func (f *follower) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.Write(p)
}

func (f *follower) has(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Contains(f.out.Bytes(), []byte(text))
}

func follow(t *testing.T, m *testenv.Manager, args ...string) *follower {
	t.Helper()
	f := &follower{cmd: m.Command(context.Background(), args...)}
	f.cmd.Stdout = f
	f.cmd.WaitDelay = time.Second
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.cmd.Process.Kill() })
	return f
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * waiting); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still: %s", what)
		}
	}
}

// TestStoppedClients attaches four clients to a container: one is stopped, one killed, one reads, one
// follows the log. The container then writes as fast as it can for seconds. It, its log and those that read
// are as if the others were not there, and the monitor stays small.
func TestStoppedClients(t *testing.T) {
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	m.MustRun(t, "run", "-di", "--name", "c", "--network", "none", "busybox", "sh", "-c",
		"while read x; do echo $x; case $x in go) seq 800000; echo over;; end) exit 6;; esac; done")
	stopped := follow(t, m, "attach", "--no-stdin", "c")
	killed := follow(t, m, "attach", "--no-stdin", "--sig-proxy=false", "c")
	log := follow(t, m, "logs", "--follow", "c")
	typist := m.Command(context.Background(), "attach", "c")
	typed, err := typist.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := typist.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = typist.Process.Kill() })
	// All are there once they show a word that was typed after they came.
	n := 0
	eventually(t, "a client shows nothing", func() bool {
		n++
		if _, err := fmt.Fprintf(typed, "word%d\n", n); err != nil {
			t.Fatal(err)
		}
		return stopped.has("word") && killed.has("word") && log.has("word")
	})
	if err := stopped.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	monitor := monitorOf(t, m, "c")
	if _, err := fmt.Fprintln(typed, "go"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower of the log has not seen the end", func() bool { return log.has("\nover\n") })
	if peak := highWater(t, monitor); peak > 16<<10 {
		t.Errorf("the monitor took %d kB", peak)
	}
	// The typist may have been dropped, if it did not read as fast as all that came: somebody else types the end.
	last := m.Command(context.Background(), "attach", "c")
	last.Stdin = strings.NewReader("end\n")
	if err := last.Run(); err != nil && last.ProcessState.ExitCode() != 6 {
		t.Errorf("the last to attach: %v", err)
	}
	_ = log.cmd.Wait()
	if got := m.MustRun(t, "wait", "c"); got != "6" {
		t.Errorf("exit code %s", got)
	}
	// Only now, so that the stopped one was so until after the container's end.
	_ = stopped.cmd.Process.Signal(unix.SIGCONT)
	_, _ = stopped.cmd.Wait(), killed.cmd.Wait()
	_ = typist.Wait() // dropped or not, as fast as it was

	var want strings.Builder
	for i := range n {
		fmt.Fprintf(&want, "word%d\n", i+1)
	}
	want.WriteString("go\n")
	for i := range 800000 {
		fmt.Fprintf(&want, "%d\n", i+1)
	}
	want.WriteString("over\nend\n")
	if log.out.String() != want.String() {
		t.Errorf("logs --follow has %d bytes, not %d", log.out.Len(), want.Len())
	}
	if got := m.MustRun(t, "logs", "c"); got != strings.TrimSuffix(want.String(), "\n") {
		t.Errorf("the log has %d bytes, not %d", len(got), want.Len())
	}
	m.MustRun(t, "rm", "c")
}

// monitorOf is the pid of the monitor, the parent of a container's program.
func monitorOf(t *testing.T, m *testenv.Manager, name string) int {
	t.Helper()
	pid := strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{.State.Pid}}", name))
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	parent, err := strconv.Atoi(strings.Fields(after)[1])
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

// highWater is the most memory that a process has had, in kB.
func highWater(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb
}
