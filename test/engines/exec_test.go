package engines

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// execCodes: the command's exit code; 126 and 127 when there is no command.
func execCodes(b *box) {
	c := b.sleeper(options{})
	for script, code := range map[string]int{"true": 0, "exit 9": 9, "kill -9 $$": 137} {
		b.want(c.exec(options{}, "sh", "-c", script), code, "")
	}
	for _, f := range failures[:3] {
		r := c.exec(options{}, f.program)
		code := map[string]int{"podman": f.code, "docker": 126, "ctr": 1}[b.e.name]
		if r.Code != code {
			b.Errorf("%s: exit code %d (%s), want %d", f.program, r.Code, r.Stderr, code)
		}
		if !strings.Contains(r.Stderr+r.Stdout, f.reason[0]) {
			b.Errorf("%s: %q does not say %q", f.program, r.Stderr, f.reason[0])
		}
	}
	if got := c.status(); got != "running" {
		b.Errorf("afterwards the container is %s", got)
	}
}

// execProcess: in the container's namespaces and cgroup, with its own user, folder, variables.
func execProcess(b *box) {
	c := b.sleeper(options{env: []string{"A=1"}})
	o := options{cwd: "/var/log", user: "33"}
	want := "33\n/var/log\n1\n"
	if b.e.name != "ctr" { // ctr has no words for them
		o.env = []string{"A=2"}
		want = "33\n/var/log\n2\n"
	}
	b.want(c.exec(o, "sh", "-c", "id -u; pwd; echo $A"), 0, want)
	r := c.exec(options{}, "sh", "-c", "for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done; for n in cgroup ipc mnt net pid uts; do readlink /proc/1/ns/$n; done; sort -u /proc/self/cgroup /proc/1/cgroup | wc -l; wc -l </proc/1/cgroup")
	lines := strings.Fields(r.Stdout)
	if r.Code != 0 || len(lines) != 14 {
		b.Fatalf("exit code %d: %q %s", r.Code, lines, r.Stderr)
	}
	for i := range 6 {
		if lines[i] != lines[i+6] {
			b.Errorf("namespace %s, the container's is %s", lines[i], lines[i+6])
		}
	}
	if lines[12] != lines[13] {
		b.Errorf("%s cgroups together, %s of the container", lines[12], lines[13])
	}
}

// execDetached runs on after the command that began it.
func execDetached(b *box) {
	dir := b.TempDir()
	c := b.sleeper(options{binds: []string{dir + ":/data"}})
	r := c.exec(options{detach: true}, "sh", "-c", "echo done >/data/x; sleep 1000")
	if r.Code != 0 {
		b.Fatalf("exit code %d: %s", r.Code, r.Stderr)
	}
	b.eventually("its file", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "x"))
		return err == nil && string(text) == "done\n"
	})
	if out := c.exec(options{}, "ps").Stdout; !strings.Contains(out, "sleep 1000") {
		b.Errorf("%q", out)
	}
}

// execPaused is refused, and the container goes on afterwards.
func execPaused(b *box) {
	c := b.sleeper(options{})
	c.do("pause")
	if r := c.exec(options{}, "true"); r.Code == 0 || !strings.Contains(r.Stderr, "paused") && !strings.Contains(r.Stderr, "running") {
		b.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	c.do("resume")
	b.want(c.exec(options{}, "true"), 0, "")
}

// sized waits in a shell until the terminal has a size: engines tell it after the start.
const sized = `until [ "$(stty size)" = "$1" ]; do sleep 0.05; done; echo "size $1"`

// runTerminal: a terminal that is the program's own, its size, its keys.
func runTerminal(b *box) {
	o := options{terminal: true}
	if b.e.name != "ctr" {
		o.more = []string{"--rm"}
	}
	t := b.terminal("33x111", b.e.run(b, b.unique("run"), &o, []string{"sh", "-c", sized + `; tty; readlink /proc/self/fd/0; ls -l /dev/console; read line; echo "<$line>"; exit 6`, "sh", "33 111"}))
	b.expect(t, "size 33 111")
	b.expect(t, "/dev/(pts/0|console)")
	if err := t.Send("typed\n"); err != nil {
		b.Fatal(err)
	}
	b.expect(t, "<typed>")
	b.ends(t, 6)
}

// execTerminal: the same of an exec, and a change of the size.
func execTerminal(b *box) {
	c := b.sleeper(options{})
	t := b.terminal("20x90", c.e.exec(c.box, c.name, &options{terminal: true}, []string{"sh", "-c", sized + `; set -- "40 100"; ` + sized + `; exit 5`, "sh", "20 90"}))
	b.expect(t, "size 20 90")
	if err := t.Resize("40x100"); err != nil {
		b.Fatal(err)
	}
	b.expect(t, "size 40 100")
	b.ends(t, 5)
}

// attach: to the terminal of one that runs already.
func attach(b *box) {
	c := b.start(options{terminal: true}, "sh", "-c", `while read line; do [ "$line" = end ] && exit 8; echo "<$line>"; done`)
	t := b.terminal("24x80", c.e.verb(c.box, "attach", c.name)[0])
	for _, word := range []string{"one", "two"} {
		if err := t.Send(word + "\n"); err != nil {
			b.Fatal(err)
		}
		b.expect(t, "<"+word+">")
	}
	if err := t.Send("end\n"); err != nil {
		b.Fatal(err)
	}
	switch b.e.name {
	case "podman": // its attach of this version does not tell the code
		b.ends(t, 0)
		b.eventually("the exit code", func() bool { return c.inspect("{{.State.ExitCode}}") == "8" })
	case "ctr": // its attach removes the task
		b.ends(t, 8)
		c.gone = true
		b.must(c.e.verb(b, "remove", c.name)[1]...)
	default:
		b.ends(t, 8)
	}
}

// detachKeys leave the container running.
func detachKeys(b *box) {
	c := b.start(options{terminal: true}, "sh", "-c", `while read line; do echo "<$line>"; done`)
	t := b.terminal("24x80", c.e.verb(c.box, "attach", c.name)[0])
	if err := t.Send("one\n"); err != nil {
		b.Fatal(err)
	}
	b.expect(t, "<one>")
	b.eventually("the end of attach", func() bool {
		for _, key := range []string{"\x10", "\x11"} {
			if t.Send(key) != nil || t.Ended() {
				break
			}
			time.Sleep(50 * time.Millisecond) // podman wants to read them one by one
		}
		return t.Ended()
	})
	if got := c.status(); got != "running" {
		b.Errorf("it is %s", got)
	}
}

// execCrowd: eight at once, each with its own result.
func execCrowd(b *box) {
	c := b.sleeper(options{})
	var group sync.WaitGroup
	results := make([]testenv.Result, 8)
	for i := range results {
		group.Go(func() { results[i] = c.exec(options{}, "sh", "-c", fmt.Sprintf("echo %d; exit %d", i, i)) })
	}
	group.Wait()
	for i, r := range results {
		b.want(r, i, fmt.Sprintln(i))
	}
}

// execStopped is refused by name.
func execStopped(b *box) {
	c := b.start(options{}, "true")
	b.eventually("the end", func() bool { return c.status() == "exited" })
	if r := c.exec(options{}, "true"); r.Code == 0 || !strings.Contains(r.Stderr, "running") {
		b.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	c.do("start")
	b.eventually("the second end", func() bool { return c.status() == "exited" })
}
