package e2e

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/registry"
)

// TestProgressOnTerminal pulls from a slow registry on a terminal: a bar for each blob that
// grows, in the width that there is, "done" at its end, and the image's id last. Off a terminal
// the same pull prints plain lines.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	reg, name := served(t, m, registry.Options{})
	slow := registry.Fault{Method: "GET", Path: blobs, Answer: registry.Slow(50*time.Millisecond, 20)}
	reg.Fail(slow)
	term, err := testenv.StartTerminal(m.Command(context.Background(), "pull", name), "24x80")
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	for _, step := range []string{"Trying to pull " + regexp.QuoteMeta(name), `Copying blob [0-9a-f]{12} +\[=*>-+\] [0-9.]+b / [0-9.]+b`, `done`, `\n[0-9a-f]{64}\r?\n`} {
		if err := term.Expect(step); err != nil {
			t.Fatalf("%v in %q", err, term.Text())
		}
	}
	if code, err := term.Wait(); err != nil || code != 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
	screen := term.Text()
	if !strings.Contains(screen, "Copying config ") || !strings.Contains(screen, "\x1b[") {
		t.Errorf("no bar for the config, or nothing drawn anew: %q", screen)
	}
	sizes := map[string]bool{}
	for _, s := range regexp.MustCompile(`[0-9.]+b / `).FindAllString(screen, -1) {
		sizes[s] = true
	}
	if len(sizes) < 2 {
		t.Errorf("no bar has grown: %v in %q", sizes, screen)
	}
	for _, line := range strings.FieldsFunc(regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]").ReplaceAllString(screen, "\n"), func(r rune) bool { return r == '\n' }) {
		if len([]rune(line)) > 80 {
			t.Errorf("a line wider than the terminal: %q", line)
		}
	}

	m.MustRun(t, "rmi", name)
	reg.Reset()
	r := m.Run("pull", name)
	if r.Code != 0 || strings.Contains(r.Stderr, "\x1b") || !regexp.MustCompile(`(?m)^Copying blob sha256:[0-9a-f]{64}$`).MatchString(r.Stderr) {
		t.Errorf("off a terminal: %+v", r)
	}
}
