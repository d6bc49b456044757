package libpod

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInSession(t *testing.T) {
	const login, service, cron = "0::/user.slice/user-1000.slice/session-3.scope\n", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n", "0::/system.slice/cron.service\n"
	for _, c := range []struct {
		name  string
		files []string
		own   string
		want  bool
	}{
		{"a login", []string{"run/systemd/system/x"}, login, true},
		{"a desktop", []string{"run/systemd/system/x"}, service, true},
		{"systemd's hierarchy of version 1", []string{"run/systemd/system/x"}, "9:pids:/\n1:name=systemd:/user.slice/user-1000.slice/session-3.scope\n", true},
		{"lingers", []string{"run/systemd/system/x", "var/lib/systemd/linger/alice"}, login, false},
		{"another lingers", []string{"run/systemd/system/x", "var/lib/systemd/linger/bob"}, login, true},
		{"cron", []string{"run/systemd/system/x"}, cron, false},
		{"after su", []string{"run/systemd/system/x"}, "0::/user.slice/user-0.slice/session-1.scope\n", false},
		{"no systemd", nil, login, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for _, f := range c.files {
				path := filepath.Join(root, f)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := inSession(root, c.own, 1000, func(int) string { return "alice" }); got != c.want {
				t.Errorf("%v", got)
			}
		})
	}
}
