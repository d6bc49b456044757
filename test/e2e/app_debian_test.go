package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// TestDebian does with a Debian container what people do with one: ask the package
// manager, add users, change locales, run shell scripts with many processes, and programs
// with the setuid bit.
func TestDebian(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	m.Image(t, "debian")
	m.MustRun(t, "run", "-d", "--name", "box", "--init", "--network", "none", "--hostname", "box", "localhost/debian", "sleep", "infinity")
	for _, tc := range []struct{ name, script, want string }{
		{"release", ". /etc/os-release; echo $ID $VERSION_CODENAME", "debian bookworm"},
		{"dpkg query", "dpkg-query -W -f '${Package} ${db:Status-Status}' bash", "bash installed"},
		{"dpkg search", "dpkg -S /etc/bash.bashrc", "bash: /etc/bash.bashrc"},
		{"dpkg verify", "dpkg --verify bash coreutils libc6 passwd login | grep -v '/usr/share/' ; true", ""},
		{"dpkg audit", "dpkg --audit; dpkg --configure -a", ""},
		{"dpkg install", "mkdir -p /p/DEBIAN /p/opt && echo hello >/p/opt/greeting && " +
			"printf 'Package: greeting\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody <n@example.com>\\nDescription: x\\n' >/p/DEBIAN/control && " +
			"dpkg-deb --build /p /p.deb >/dev/null && dpkg -i /p.deb >/dev/null && cat /opt/greeting && dpkg -r greeting >/dev/null && test ! -e /opt/greeting && echo gone", "hello\ngone"},
		{"apt", "apt-get check -q >/dev/null && apt-cache policy bash | grep -c Installed: && apt-mark showmanual >/dev/null", "1"},
		{"apt simulates", "apt-get -s -q remove tzdata 2>&1 | grep -c '^Remv tzdata'", "1"},
		{"users", "useradd --create-home --uid 4242 --shell /bin/bash tester && id tester && stat -c %U /home/tester", "uid=4242(tester) gid=4242(tester) groups=4242(tester)\ntester"},
		{"groups", "groupadd --gid 777 staffers && usermod -aG staffers tester && su tester -c 'id -Gn'", "tester staffers"},
		{"login shell", "su - tester -c 'pwd; echo $HOME $USER'", "/home/tester\n/home/tester tester"},
		{"locale", "LC_ALL=C.UTF-8 locale charmap; LC_ALL=POSIX locale charmap; locale -a | grep -c C.utf8", "UTF-8\nANSI_X3.4-1968\n1"},
		{"wide characters", "export LC_ALL=C.UTF-8; x=ünïcödé; echo ${#x}; printf '%s' $x | wc -m", "7\n7"},
		{"processes", "for i in $(seq 400); do (sleep 0.2; echo $i) & done | sort -n | tail -1; wait; echo done", "400\ndone"},
		{"pipeline", "set -o pipefail; seq 10000 | tee >(wc -l >/dev/null) | awk '{s+=$1} END {printf \"%d\", s}' | rev | rev", "50005000"},
		{"signals", "(trap 'echo caught' TERM; sleep 0.3 & wait; wait) & sleep 0.1; kill $!; wait", "caught"},
		{"devices", "head -c 5 /dev/zero | wc -c; echo x >/dev/null; head -c 8 /dev/urandom | wc -c; test -c /dev/tty && echo tty", "5\n8\ntty"},
		{"temporary files", "f=$(mktemp) && stat -c %a $f /tmp /var/tmp && rm $f", "600\n1777\n1777"},
		{"perl", "perl -e 'printf \"%d %s\", scalar(getpwnam(\"tester\")), (gethostbyname(\"localhost\"))[0]'", "4242 localhost"},
	} {
		r := m.Run("exec", "box", "bash", "-c", tc.script)
		if got := strings.TrimSpace(r.Stdout); r.Code != 0 || got != tc.want {
			t.Errorf("%s: exit code %d, got %q, want %q\n%s", tc.name, r.Code, got, tc.want, r.Stderr)
		}
	}
	expect(t, m, "tester /home/tester", "exec", "-u", "tester", "box", "bash", "-c", "echo $(id -un) $HOME")
	expect(t, m, "4242:777", "exec", "-u", "tester:staffers", "box", "bash", "-c", "echo $(id -u):$(id -g)")
	// --init takes care of orphans: none may be left as a zombie.
	if out := m.MustRun(t, "exec", "box", "bash", "-c", "for i in $(seq 50); do (sleep 0.05 &) ; done; sleep 0.5; grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l"); out != "0" {
		t.Errorf("%s zombies", out)
	}
	m.MustRun(t, "stop", "box")
	m.MustRun(t, "start", "box")
	expect(t, m, "4242", "exec", "box", "id", "-u", "tester")
}

// TestDebianSetuid runs su and passwd as a user: they have to work, and to be without
// power under no-new-privileges.
func TestDebianSetuid(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	m.Image(t, "debian")
	dir := t.TempDir()
	script := filepath.Join(dir, "prepare")
	text := "#!/bin/sh -e\nuseradd -m -u 4242 tester\necho root:rootpw | chpasswd\necho tester:oldpw1234 | chpasswd\nexec sleep infinity\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	start := func(name string, options ...string) {
		t.Helper()
		args := append([]string{"run", "-d", "--init", "--name", name, "--network", "none", "-v", script + ":/prepare:ro"}, options...)
		m.MustRun(t, append(args, "localhost/debian", "/prepare")...)
		until(t, waiting, func() error {
			return failed(m.Run("exec", name, "sh", "-c", "pidof sleep || pgrep sleep || grep -qs sleep /proc/*/comm"))
		})
	}
	as := func(name, input, script string) testenv.Result {
		return runInput(t, m, input, "exec", "-i", "-u", "tester", name, "sh", "-c", script)
	}
	start("plain")
	if r := as("plain", "rootpw\n", "su root -c 'id -u'"); r.Code != 0 || strings.TrimSpace(r.Stdout) != "0" {
		t.Errorf("su: %+v", r)
	}
	if r := as("plain", "wrong\n", "su root -c 'id -u'"); r.Code == 0 || strings.Contains(r.Stdout, "0") {
		t.Errorf("su with a wrong password: %+v", r)
	}
	if r := as("plain", "oldpw1234\nNew-pw-98765\nNew-pw-98765\n", "passwd"); r.Code != 0 {
		t.Errorf("passwd: %+v", r)
	}
	start("strict", "--security-opt", "no-new-privileges")
	if r := as("strict", "rootpw\n", "su root -c 'id -u'"); r.Code == 0 || strings.TrimSpace(r.Stdout) == "0" {
		t.Errorf("su under no-new-privileges: %+v", r)
	}
	if r := as("strict", "oldpw1234\nNew-pw-98765\nNew-pw-98765\n", "passwd"); r.Code == 0 {
		t.Errorf("passwd under no-new-privileges: %+v", r)
	}
	expect(t, m, "NoNewPrivs:\t1", "exec", "strict", "grep", "NoNewPrivs", "/proc/self/status")
	expect(t, m, "NoNewPrivs:\t0", "exec", "plain", "grep", "NoNewPrivs", "/proc/self/status")
}
