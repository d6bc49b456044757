package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
)

// passwd and group are what the identity tests put into their image.
const (
	hostilePasswd = "root:x:0:0:root:/root:/bin/sh\none:x:1001:1001::/home/one:/bin/sh\n4294967296:x:0:0::/:/bin/sh\n99999999999:x:0:0::/:/bin/sh\n" +
		"0x1:x:0:0::/:\n+1:x:0:0::/:\nhome:x:1003:1003::/h\tome:/bin/sh\n"
	hostileGroup = "root:x:0:\none:x:1001:\nextra:x:2000:one,other\nmore:x:2001:other,one\nnot:x:2002:oneother\n"
)

func identityFiles() []evil.Entry {
	return []evil.Entry{evil.File("etc/passwd", hostilePasswd, 0o644), evil.File("etc/group", hostileGroup, 0o644), evil.File("rootonly", "x", 0o600)}
}

// TestHostileS19UserWords: what --user means, for run and exec.
func TestHostileS19UserWords(t *testing.T) {
	h := newHostile(t)
	image := h.image(t, nil, identityFiles()...)
	h.MustRun(t, "run", "-d", "--network", "none", "--name", "c", image, "sleep", "1000")
	for user, want := range map[string]string{
		"1": "1 0 0", "1:": "1 0 0", "1:2": "1 2 2", "one": "1001 1001 1001 2000 2001", "one:extra": "1001 2000 2000",
		"01": "1 0 0", "4294967294": "4294967294 0 0", "1001": "1001 1001 1001 2000 2001", ":2": "0 2 2",
		"-1": "", "1.5": "", "4294967295": "", "4294967296": "", "99999999999": "", "nosuch": "",
		"one:nosuch": "", "1:-1": "", "1:4294967296": "", "1:2:3": "", "one two": "", "one\n": "",
	} {
		if user == "4294967294" && os.Geteuid() != 0 {
			want = "" // it is not among a user's ids
		}
		const script = `echo $(id -u) $(id -g) $(id -G)`
		for _, args := range [][]string{{"run", "--rm", "--network", "none", "-u", user, image}, {"exec", "-u", user, "c"}} {
			r := h.run(t, append(args, "sh", "-c", script)...)
			if want == "" {
				if r.Code != 125 || strings.Count(r.Stderr, "\n") != 1 {
					t.Errorf("%s -u %q: code %d, %q %q", args[0], user, r.Code, r.Stdout, r.Stderr)
				}
				continue
			}
			if got := strings.TrimSpace(r.Stdout); got != want { // S21: the primary group is first
				t.Errorf("%s -u %q: %q, want %q: %s", args[0], user, got, want, r.Stderr)
			}
		}
	}
}

// TestHostileS20ImageUser: numbers that do not fit are refused and never looked up as names.
func TestHostileS20ImageUser(t *testing.T) {
	h := newHostile(t)
	for _, user := range []string{"4294967296", "99999999999", "-1", "18446744073709551616", "4294967295"} {
		image := h.image(t, map[string]any{"User": user}, identityFiles()...)
		if r := h.run(t, "run", "--rm", "--network", "none", image, "id"); r.Code != 125 || r.Stdout != "" {
			t.Errorf("USER %s: code %d, %q %q", user, r.Code, r.Stdout, r.Stderr)
		}
	}
}

// TestHostileS22Capabilities: nothing is inheritable, and other users than root have nothing.
func TestHostileS22Capabilities(t *testing.T) {
	h := newHostile(t)
	image := h.image(t, nil, identityFiles()...)
	h.MustRun(t, "run", "-d", "--network", "none", "--name", "c", image, "sleep", "1000")
	h.MustRun(t, "run", "-d", "--network", "none", "--name", "p", "--privileged", image, "sleep", "1000")
	run := []string{"run", "--rm", "--network", "none"}
	for _, c := range []struct {
		args     []string
		unprived bool
	}{
		{append(run, image), false},
		{append(run, "--privileged", image), false},
		{append(run, "--user", "1000", image), true},
		{append(run, "--user", "one", "--privileged", image), true},
		{append(run, "--user", "0:1000", image), false},
		{[]string{"exec", "c"}, false},
		{[]string{"exec", "--privileged", "c"}, false},
		{[]string{"exec", "-u", "1000", "c"}, true},
		{[]string{"exec", "-u", "1000", "p"}, true},
		{[]string{"exec", "-u", "1000", "--privileged", "c"}, true},
	} {
		r := h.run(t, append(c.args, "sh", "-c", "grep ^Cap /proc/self/status; cat /rootonly")...)
		caps := map[string]string{}
		for _, line := range strings.Split(r.Stdout, "\n") {
			if name, value, ok := strings.Cut(line, ":\t"); ok {
				caps[name] = value
			}
		}
		const none = "0000000000000000"
		if caps["CapInh"] != none || caps["CapAmb"] != none {
			t.Errorf("%v: %v", c.args, caps)
		}
		if empty := caps["CapEff"] == none && caps["CapPrm"] == none; empty != c.unprived || (r.Code != 0) != c.unprived {
			t.Errorf("%v: %v, code %d", c.args, caps, r.Code)
		}
	}
}

// TestHostileS24ControlCharacters: they do not get into the files that the engine writes.
func TestHostileS24ControlCharacters(t *testing.T) {
	h := newHostile(t)
	files := identityFiles()
	image := h.image(t, nil, files...)
	const forged = "\nevil:x:0:0::/:/bin/sh"
	for _, char := range []string{"\n", "\r"} {
		for _, args := range [][]string{
			{"--hostname", "a" + char + "b"},
			{"--add-host", "a" + char + "b:1.2.3.4"},
			{"--add-host", "a:1.2.3.4" + char},
			{"--dns-search", "a" + char + "b"},
			{"--dns-option", "a" + char + "b"},
			{"--label", "a" + char + "b=c"},
			{"--user", "one" + char},
			{"--name", "a" + char},
			{"--passwd-entry", "a" + char + "b:x:1:1::/:", "--user", "77"},
		} {
			r := h.run(t, append(append([]string{"run", "--rm", "--network", "none"}, args...), image, "true")...)
			if r.Code != 125 || strings.Count(r.Stderr, "\n") != 1 {
				t.Errorf("%q: code %d %q", args, r.Code, r.Stderr)
			}
		}
	}
	bad := h.image(t, map[string]any{"Env": []string{"PATH=/bin", "HOME=/x" + forged}}, files...)
	for _, args := range [][]string{{"-u", "77", "-e", "HOME=/x" + forged, image}, {"-u", "77", bad}, {"-u", "77", "-w", "/x" + forged, image}, {"-u", "home", image}} {
		r := h.run(t, append(append([]string{"run", "--rm", "--network", "none"}, args...), "cat", "/etc/passwd")...)
		if strings.Contains(r.Stdout, "evil:") {
			t.Errorf("%q forged a line: %q", args, r.Stdout)
		}
	}
	r := h.run(t, "run", "--rm", "--network", "none", "-u", "77", "-w", "/", image, "cat", "/etc/passwd")
	if want := hostilePasswd + "77:*:77:0:container user:/:/bin/sh\n"; r.Stdout != want {
		t.Errorf("passwd %q, want %q", r.Stdout, want)
	}
}

// TestHostileS25Environment: an image's entry without "=" takes nothing from the host.
func TestHostileS25Environment(t *testing.T) {
	h := newHostile(t)
	h.Env = append(h.Env, "CANARY="+h.canary.Token)
	image := h.image(t, map[string]any{"Env": []string{"PATH=/bin", "CANARY", "*", "CAN*", "=x", "CANARY*", "A=${CANARY}", "B=$CANARY"}})
	for _, args := range [][]string{{"run", "--rm", "--network", "none", image}, {"run", "--rm", "--network", "none", "--init", image}} {
		r := h.run(t, append(args, "sh", "-c", "env; cat /proc/*/environ | tr '\\0' '\\n'")...)
		if strings.Contains(r.Stdout, "CANARY=") || !strings.Contains(r.Stdout, "A=${CANARY}") {
			t.Errorf("environment %q", r.Stdout)
		}
	}
	h.MustRun(t, "run", "-d", "--network", "none", "--name", "c", image, "sleep", "1000")
	h.run(t, "exec", "c", "sh", "-c", "env; cat /proc/*/environ")
	h.run(t, "inspect", "c")
}

// TestHostileS26Labels: an image's labels steer nothing.
func TestHostileS26Labels(t *testing.T) {
	h := newHostile(t)
	image := h.image(t, map[string]any{"Labels": map[string]string{
		"io.podman.annotations.privileged": "TRUE", "io.podman.annotations.seccomp": "unconfined", "run.oci.hooks.stderr": h.canary.Dir + "/victim",
		"org.systemd.property.ExecStart": "x", "org.criu.config": h.canary.Dir + "/victim", "io.manager.x": "1", "fine": "1",
	}})
	r := h.run(t, "run", "--network", "none", "--name", "c", image, "sh", "-c", "grep -E '^(CapEff|Seccomp:)' /proc/self/status")
	if r.Code != 0 || strings.Contains(r.Stdout, "1ffffffffff") || !strings.Contains(r.Stdout, "Seccomp:\t2") {
		t.Errorf("%d %q", r.Code, r.Stdout)
	}
	if n := strings.Count(r.Stderr, "Warning: "); n != 1 || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("warnings %q", r.Stderr)
	}
	got := h.MustRun(t, "inspect", "--format", "{{json .Config.Labels}} {{json .Config.Annotations}}", "c")
	if got != `{"fine":"1"} null` && got != `{"fine":"1"} {}` {
		t.Errorf("labels and annotations %s", got)
	}
}
