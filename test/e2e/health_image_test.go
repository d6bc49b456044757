package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
)

// TestImageHealthcheck runs the healthchecks that images bring, and leaves out those that options replace.
func TestImageHealthcheck(t *testing.T) {
	m := testenv.NewManager(t)
	base, err := testenv.BusyboxLayer()
	if err != nil {
		t.Skip(err)
	}
	load := func(name string, check map[string]any) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "image.tar")
		img := evil.Image{Name: "localhost/" + name + ":latest", Layers: [][]byte{base}, Execution: map[string]any{
			"Env": []string{"PATH=/bin"}, "Cmd": []string{"sleep", "1000"}, "Healthcheck": check,
		}}
		if err := evil.DockerArchive(path, img); err != nil {
			t.Fatal(err)
		}
		m.MustRun(t, "load", "-q", "-i", path)
	}
	second := int64(1e9)
	load("shell", map[string]any{"Test": []string{"CMD-SHELL", "echo $0 shell"}, "Interval": 2 * second, "Timeout": 5 * second, "Retries": 7, "StartPeriod": second})
	load("words", map[string]any{"Test": []string{"CMD", "echo", "a b", "$HOME"}})
	load("none", map[string]any{"Test": []string{"NONE"}})
	load("empty", map[string]any{"Test": []string{"CMD"}})
	for _, c := range []struct {
		image   string
		options []string
		health  string // the first output, or "" for no healthcheck
		config  string
	}{
		{"shell", nil, "/bin/sh shell", `{"Test":["CMD-SHELL","echo $0 shell"],"StartPeriod":1000000000,"Interval":2000000000,"Timeout":5000000000,"Retries":7}`},
		{"words", nil, "a b $HOME", `{"Test":["CMD","echo","a b","$HOME"],"Interval":30000000000,"Timeout":30000000000,"Retries":3}`},
		{"shell", []string{"--health-retries", "2"}, "/bin/sh shell", `{"Test":["CMD-SHELL","echo $0 shell"],"StartPeriod":1000000000,"Interval":2000000000,"Timeout":5000000000,"Retries":2}`},
		{"shell", []string{"--health-cmd", "CMD echo mine"}, "mine", `{"Test":["CMD","echo","mine"],"StartPeriod":1000000000,"Interval":2000000000,"Timeout":5000000000,"Retries":7}`},
		{"shell", []string{"--no-healthcheck"}, "", "null"},
		{"shell", []string{"--health-cmd", "none"}, "", "null"},
		{"none", nil, "", "null"},
		{"empty", nil, "", "null"},
	} {
		args := append([]string{"run", "-d", "--name", "h", "--network", "none"}, c.options...)
		m.MustRun(t, append(args, c.image)...)
		if got := strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{json .Config.Healthcheck}}", "h")); got != c.config {
			t.Errorf("%s %v: config %s\nwant %s", c.image, c.options, got, c.config)
		}
		if c.health == "" {
			if r := m.Run("healthcheck", "run", "h"); r.Code != 125 || !strings.Contains(r.Stderr, "it has no healthcheck") {
				t.Errorf("%s %v: %+v", c.image, c.options, r)
			}
		} else {
			m.MustRun(t, "wait", "--condition", "healthy", "h")
			if got := m.MustRun(t, "inspect", "--format", "{{(index .State.Health.Log 0).Output}}", "h"); strings.TrimSpace(got) != c.health {
				t.Errorf("%s %v: output %q, want %q", c.image, c.options, got, c.health)
			}
		}
		m.MustRun(t, "rm", "-f", "-t", "0", "h")
	}
}
