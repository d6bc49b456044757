package crash

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/fault/arming"
)

// startSteps reads the names of a start's steps from the core, so that none is forgotten.
func startSteps(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "libpod", "start.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`\{"([a-z A-Z]+)", s\.[a-zA-Z]+, [a-z.A-Z]+\}`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, "start: "+m[1])
	}
	if len(names) < 8 {
		t.Fatalf("found only the steps %q", names)
	}
	return names
}

// TestFailedStep makes each step of a start fail: the command says so, the container is as it was
// before, and nothing is left.
func TestFailedStep(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	for _, step := range startSteps(t) {
		fail := []string{arming.Word(arming.Client, "fail="+step)}
		check := func(want string, args ...string) {
			t.Helper()
			r := m.with(fail, args...)
			if r.Code != 125 || !strings.Contains(r.Stderr, "injected at") || strings.Count(r.Stderr, "\n") != 1 {
				t.Errorf("%s: %q: exit code %d\n%s", step, args, r.Code, r.Stderr)
			}
			if got := m.statuses()["x"]; got != want {
				t.Errorf("%s: %q: the container is %q, want %q", step, args, got, want)
			}
		}
		check("", "run", "--rm", "--name", "x", "--network", "none", "--ipc", "shareable", "-v", "/anonymous", busybox, "true")
		m.empty(step)
		check("created", "run", "--name", "x", "--network", "none", busybox, "true")
		m.must("rm", "x")
		exited(m)
		check("exited", "start", "x")
		if left := m.traces(); len(left) > 4 {
			t.Errorf("%s: after a failed start there is\n%s", step, strings.Join(left, "\n"))
		}
		m.must("start", "--attach", "x")
		m.must("rm", "x")
		m.empty(step)
		if left := m.must("volume", "ls", "--quiet"); left != "" {
			t.Errorf("%s: left behind: volume %s", step, left)
		}
	}
}
