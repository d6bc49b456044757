package engines

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// exitCodes: the engine's exit code is the program's.
func exitCodes(b *box) {
	for script, code := range map[string]int{"true": 0, "exit 7": 7, "exit 255": 255} {
		b.want(b.run(options{}, "sh", "-c", script), code, "")
	}
}

// failures are programs that cannot be run, with podman's and docker's exit code and words of
// the reason.
var failures = []struct {
	program string
	code    int
	reason  []string
}{
	{"no-such-program", 127, []string{"executable file not found in $PATH", "no-such-program"}},
	{"/no/such/program", 127, []string{"no such file or directory"}},
	{"/etc/passwd", 126, []string{"permission denied"}},
	{"/etc", 126, []string{"is a directory"}},
}

// runFailures: 126 for a program that is none, 127 for one that is not there.
func runFailures(b *box) {
	for _, f := range failures {
		r := b.run(options{}, f.program)
		if r.Code != f.code || r.Stdout != "" {
			b.Errorf("%s: exit code %d (%s), want %d", f.program, r.Code, r.Stderr, f.code)
		}
	}
}

// runFailuresText: ctr shows the runtime's reason and has one exit code.
func runFailuresText(b *box) {
	for _, f := range failures {
		r := b.run(options{}, f.program)
		if r.Code != 1 {
			b.Errorf("%s: exit code %d", f.program, r.Code)
		}
		for _, reason := range f.reason {
			// runc says "permission denied" of a folder.
			if !strings.Contains(r.Stderr, reason) && !(f.program == "/etc" && strings.Contains(r.Stderr, "permission denied")) {
				b.Errorf("%s: %q does not say %q", f.program, r.Stderr, reason)
			}
		}
	}
}

// streams: input, output and errors are the program's, and nothing is added.
func streams(b *box) {
	end := "cat"
	if b.e.name == "ctr" {
		end = "head -n 1" // it leaves the input open
	}
	r := b.feed("in\n", options{}, "sh", "-c", end+"; echo err >&2; exit 3")
	b.want(r, 3, "in\n")
	if r.Stderr != "err\n" {
		b.Errorf("errors: %q", r.Stderr)
	}
	const size = 1 << 20
	r = b.feed(strings.Repeat("x", size), options{}, "sh", "-c", fmt.Sprintf("head -c %d | wc -c", size))
	b.want(r, 0, fmt.Sprintln(size))
}

// environment: variables and the working directory.
func environment(b *box) {
	got := b.out(options{env: []string{"A=1 2", "B="}, cwd: "/var/log"}, "sh", "-c", `echo "$A|$B|$PWD|${B+set}"; pwd`)
	if want := "1 2||/var/log|set\n/var/log"; got != want {
		b.Errorf("%q, want %q", got, want)
	}
}

// user: by name, by number, with groups.
func user(b *box) {
	for _, c := range []struct{ user, more, want string }{
		{"daemon", "", "1 1 4"},
		{"1234:5678", "", "1234 5678"},
		{"33", "--group-add=77", "33 33 77"},
	} {
		o := options{user: c.user}
		if c.more != "" {
			o.more = []string{c.more}
		}
		got := b.out(o, "sh", "-c", `echo $(id -u; id -g; id -G); grep -E "^Cap(Eff|Prm|Inh|Amb)" /proc/self/status | tr -d "\n\t"`)
		first, caps, _ := strings.Cut(got, "\n")
		if !sameGroups(first, c.want) {
			b.Errorf("-u %s: %q, want %q", c.user, first, c.want)
		}
		if want := "CapInh:0000000000000000CapPrm:0000000000000000CapEff:0000000000000000CapAmb:0000000000000000"; caps != want {
			b.Errorf("-u %s: %s", c.user, caps)
		}
	}
}

// sameGroups compares user, group and groups as sets; engines differ in whether the first
// group is named among the others.
func sameGroups(got, want string) bool {
	words := func(text string) []string {
		list := strings.Fields(text)
		slices.Sort(list)
		return slices.Compact(list)
	}
	return slices.Equal(words(got), words(want))
}

// hostname is one of the container's own.
func hostname(b *box) {
	if got := b.out(options{more: []string{"--hostname", "box"}}, "hostname"); got != "box" {
		b.Errorf("%q", got)
	}
}

// imageRoot: the root is the image's, writable, and what is mounted where.
func imageRoot(b *box) {
	got := b.out(options{}, "sh", "-c", `echo x >/new && cat /new && cat /etc/group | head -1
		for fs in /proc:proc /dev:tmpfs /dev/pts:devpts /dev/mqueue:mqueue /sys:sysfs; do
			grep -q " ${fs%:*} ${fs#*:} " /proc/mounts || echo "no $fs"
		done
		for d in null zero full random urandom tty; do test -c /dev/$d || echo "no $d"; done
		for l in fd stdin stdout stderr; do test -L /dev/$l || echo "no $l"; done
		ls /proc/self/fd | wc -l`)
	// The three of ls, and the folder that it reads.
	if want := "x\nroot:x:0:\n4"; got != want {
		b.Errorf("%q, want %q", got, want)
	}
}

// readOnly: the root is not writable, a bind is.
func readOnly(b *box) {
	dir := b.TempDir()
	r := b.run(options{readOnly: true, binds: []string{dir + ":/data"}}, "sh", "-c", "echo x >/data/x; echo x >/new")
	if r.Code == 0 || !strings.Contains(r.Stderr, "Read-only file system") {
		b.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "x")); err != nil || string(text) != "x\n" {
		b.Errorf("%q, %v", text, err)
	}
}

// binds: of a folder, of a file, read-only, one on another.
func binds(b *box) {
	dir := b.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name+"\n"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	got := b.out(options{binds: []string{dir + ":/data:ro", filepath.Join(dir, "b") + ":/data/a"}},
		"sh", "-c", "cat /data/a /data/b; echo new >/data/c; echo b2 >/data/a; cat /data/b; true")
	if want := "b\nb\nb2"; got != want {
		b.Errorf("%q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "c")); err == nil {
		b.Error("the read-only bind was written to")
	}
}

// volume: an engine's volume keeps what a container wrote.
func volume(b *box) {
	name := b.unique("vol")
	o := options{binds: []string{name + ":/data"}}
	b.Cleanup(func() { b.must(append(b.e.verb(b, "volume", "rm")[0], name)...) })
	b.out(o, "sh", "-c", "echo kept >/data/x")
	if got := b.out(o, "cat", "/data/x"); got != "kept" {
		b.Errorf("%q", got)
	}
}

// tmpfs has the options that were asked for.
func tmpfs(b *box) {
	got := b.out(options{readOnly: true, more: []string{"--tmpfs", "/scratch:rw,noexec,size=1m,mode=1750"}},
		"sh", "-c", `stat -c %a /scratch; cp /bin/busybox /scratch/b 2>/dev/null || echo full; echo '#!/bin/sh' >/scratch/s; chmod +x /scratch/s; /scratch/s 2>/dev/null || echo noexec`)
	if want := "1750\nfull\nnoexec"; got != want {
		b.Errorf("%q, want %q", got, want)
	}
}

// ulimit: the soft and the hard limit.
func ulimit(b *box) {
	if got := b.out(options{more: []string{"--ulimit", "nofile=100:200", "--ulimit", "nproc=300:400"}}, "sh", "-c", "ulimit -Sn; ulimit -Hn"); got != "100\n200" {
		b.Errorf("%q", got)
	}
}

// sysctl: one of the container's own namespaces.
func sysctl(b *box) {
	if got := b.out(options{more: []string{"--sysctl", "net.ipv4.ip_default_ttl=33"}}, "cat", "/proc/sys/net/ipv4/ip_default_ttl"); got != "33" {
		b.Errorf("%q", got)
	}
}

// oomScore is what was asked for.
func oomScore(b *box) {
	if got := b.out(options{more: []string{"--oom-score-adj", "500"}}, "cat", "/proc/self/oom_score_adj"); got != "500" {
		b.Errorf("%q", got)
	}
}

// home comes from the container's passwd file; what the engine does not say the runtime does.
func home(b *box) {
	c := b.sleeper(options{})
	c.ready()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.pid()))
	if err != nil {
		b.Fatal(err)
	}
	if !strings.Contains("\x00"+string(text), "\x00HOME=/root\x00") {
		b.Errorf("the program's environment: %q", text)
	}
	b.want(c.exec(options{}, "sh", "-c", "echo $HOME"), 0, "/root\n")
	b.want(c.exec(options{user: "33"}, "sh", "-c", "echo $HOME"), 0, "/var/www\n")
}
