package engines

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// text is what the container has written so far.
func (c *container) text() string { return c.e.logs(c.box, c.name) }

// inspect is a field that docker and podman know of a container.
func (c *container) inspect(format string) string {
	c.Helper()
	return c.must(c.e.verb(c.box, "inspect", c.name, "--format", format)[0]...)
}

// createStart: nothing of the program runs before the start.
func createStart(b *box) {
	c := b.start(options{createOnly: true}, "sh", "-c", "echo ran; exit 5")
	if got := c.status(); got != "created" {
		b.Errorf("it is %s", got)
	}
	r := b.e.call("", b.e.verb(b, "start", c.name, "--attach")[0]...)
	b.want(r, 5, "ran\n")
	if got := c.inspect("{{.State.Status}} {{.State.ExitCode}}"); got != "exited 5" {
		b.Errorf("%s", got)
	}
	// Once more: the runtime's state of the first time is gone.
	b.want(b.e.call("", b.e.verb(b, "start", c.name, "--attach")[0]...), 5, "ran\n")
}

// initStart: the runtime's create and start apart; init waits between them.
func initStart(b *box) {
	c := b.start(options{createOnly: true}, "sh", "-c", "echo ran; sleep 1000")
	c.do("init")
	if got := c.status(); got != "initialized" && got != "created" {
		b.Errorf("it is %s", got)
	}
	pid := c.pid()
	if !alive(pid) || c.text() != "" {
		b.Errorf("init %d runs: %v; output %q", pid, alive(pid), c.text())
	}
	c.do("start")
	b.eventually("the output", func() bool { return c.text() == "ran\n" })
	if got := c.pid(); got != pid {
		b.Errorf("process %d became %d", pid, got)
	}
	// One that was never started goes as well.
	never := b.start(options{createOnly: true}, "true")
	never.do("init")
	pid = never.pid()
	never.remove()
	b.eventually("the end of init", func() bool { return !alive(pid) })
}

// pause: the kernel stops the container, and lets it go on.
func pause(b *box) {
	c := b.sleeper(options{})
	pid := c.pid()
	c.do("pause")
	if got := c.status(); got != "paused" {
		b.Errorf("it is %s", got)
	}
	if !frozen(b.T, pid) {
		b.Error("the kernel has not stopped it")
	}
	c.do("resume")
	if got := c.status(); got != "running" {
		b.Errorf("it is %s", got)
	}
	if frozen(b.T, pid) {
		b.Error("the kernel has not let it go on")
	}
	b.want(c.exec(options{}, "echo", "there"), 0, "there\n")
}

// killSignal: a signal reaches the program, by its name.
func killSignal(b *box) {
	c := b.start(options{}, "sh", "-c", "trap 'echo got it' USR1; echo ready; while :; do sleep 0.05; done")
	b.eventually("the program's word", func() bool { return c.text() == "ready\n" })
	c.do("kill", "USR1")
	b.eventually("the signal", func() bool { return c.text() == "ready\ngot it\n" })
	c.do("kill", "KILL")
	b.eventually("the end", func() bool { s := c.status(); return s == "exited" || s == "stopped" })
	if b.e.name != "ctr" {
		if got := c.inspect("{{.State.ExitCode}}"); got != "137" {
			b.Errorf("exit code %s", got)
		}
	}
}

// stop: the program is asked and ends as it likes.
func stop(b *box) {
	c := b.sleeper(options{})
	c.ready()
	c.do("stop", "--time", "20")
	if got := c.inspect("{{.State.Status}} {{.State.ExitCode}}"); got != "exited 3" {
		b.Errorf("%s", got)
	}
}

// ready waits until the container's shell has its own command line, so that its traps are set.
func (c *container) ready() {
	c.Helper()
	c.eventually("a child of the program", func() bool {
		return strings.Contains(c.exec(options{}, "ps").Stdout, "sleep 0.1")
	})
}

// stopDeaf: a program that does not listen is killed.
func stopDeaf(b *box) {
	c := b.start(options{}, "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
	c.ready()
	c.do("stop", "--time", "1")
	if got := c.inspect("{{.State.Status}} {{.State.ExitCode}}"); got != "exited 137" {
		b.Errorf("%s", got)
	}
}

// restart: another process, the same files.
func restart(b *box) {
	c := b.start(options{}, "sh", "-c", "echo again >>/times; trap 'exit 0' TERM; while :; do sleep 0.1; done")
	c.ready()
	pid := c.pid()
	c.do("restart", "--time", "20")
	if now := c.pid(); now == pid || alive(pid) {
		b.Errorf("process %d became %d", pid, now)
	}
	b.eventually("the second line", func() bool { return c.exec(options{}, "cat", "/times").Stdout == "again\nagain\n" })
}

// restartPolicy: the daemon starts it again by itself.
func restartPolicy(b *box) {
	c := b.start(options{more: []string{"--restart", "on-failure:2"}}, "sh", "-c", "echo x >>/times; exit 4")
	b.eventually("the end", func() bool {
		return c.inspect("{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}") == "exited 4 2"
	})
}

// logs: all that the program wrote.
func logs(b *box) {
	c := b.start(options{}, "sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo last")
	b.eventually("the last line", func() bool { return strings.HasSuffix(c.text(), "\nlast\n") })
	var want strings.Builder
	for i := range 2000 {
		fmt.Fprintln(&want, "line", i)
	}
	if got := c.text(); got != want.String()+"last\n" { // nothing of the runtime's own
		b.Errorf("%d bytes, want %d; the beginning is %.300q", len(got), want.Len()+5, got)
	}
}

// top: the processes of the container.
func top(b *box) {
	c := b.start(options{}, "sh", "-c", "sleep 1234 & wait")
	verb, want := "top", "sleep 1234"
	if b.e.name == "ctr" {
		verb, want = "ps", fmt.Sprint(c.pid())
	}
	b.eventually("both processes", func() bool {
		out := b.must(b.e.verb(b, verb, c.name)[0]...)
		return strings.Contains(out, want) && strings.Count(out, "\n") == 2
	})
}

// healthcheck: the engine's command runs in the container, and fails when it should.
func healthcheck(b *box) {
	c := b.start(options{more: []string{"--health-cmd", "test -e /healthy", "--health-interval", "1s", "--health-retries", "1"}},
		"sh", "-c", "touch /healthy; while :; do sleep 0.1; done")
	format := "{{.State.Health.Status}}"
	check := func() { // without systemd podman leaves it to the user
		if b.e.name == "podman" {
			_ = b.e.call("", append(b.e.verb(b, "healthcheck", "run")[0], c.name)...)
		}
	}
	b.eventually("health", func() bool { check(); return c.inspect(format) == "healthy" })
	c.exec(options{}, "rm", "/healthy")
	b.eventually("illness", func() bool { check(); return c.inspect(format) == "unhealthy" })
}

// crowd: eight at once, each with its own result.
func crowd(b *box) {
	var group sync.WaitGroup
	results := make([]testenv.Result, 8)
	for i := range results {
		group.Go(func() { results[i] = b.run(options{}, "sh", "-c", fmt.Sprintf("echo %d; exit %d", i, i)) })
	}
	group.Wait()
	for i, r := range results {
		b.want(r, i, fmt.Sprintln(i))
	}
}

// hooks: the runtime runs them in their order, with the state as their input.
func hooks(b *box) {
	dir := b.TempDir()
	log := filepath.Join(dir, "log")
	for _, stage := range []string{"prestart", "poststart", "poststop"} {
		text := fmt.Sprintf(`{"version":"1.0.0","hook":{"path":"/bin/sh","args":["sh","-c","echo %s $(grep -o '\"id\": *\"[^\"]*\"' | grep -c .) >>%s"]},"when":{"always":true},"stages":[%q]}`, stage, log, stage)
		if err := os.WriteFile(filepath.Join(dir, stage+".json"), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	words := append([]string{"podman", "--hooks-dir", dir}, b.e.run(b, b.unique("run"), &options{more: []string{"--rm"}}, []string{"true"})[1:]...)
	b.must(words...)
	var got []byte
	b.eventually("the last hook", func() bool {
		got, _ = os.ReadFile(log)
		return strings.Contains(string(got), "poststop")
	})
	if want := "prestart 1\npoststart 1\npoststop 1\n"; string(got) != want {
		b.Errorf("%q, want %q", got, want)
	}
}

// preserveFDs: a descriptor of the caller's is the program's.
func preserveFDs(b *box) {
	words := b.e.run(b, b.unique("run"), &options{more: []string{"--rm", "--preserve-fds", "1"}}, []string{"sh", "-c", "cat <&3"})
	script := `exec 3<<<passed; exec "$@"`
	if got := b.must(append([]string{"bash", "-c", script, "bash"}, words...)...); got != "passed" {
		b.Errorf("%q", got)
	}
}

// initProcess: the engine's own init is the first process and reaps.
func initProcess(b *box) {
	got := b.out(options{more: []string{"--init"}}, "sh", "-c", "cat /proc/1/comm; echo $$ >/dev/null; ps | grep -c ' 1 '")
	if !strings.HasPrefix(got, "docker-init") {
		b.Errorf("%q", got)
	}
}

// notify: what the program says to its socket reaches whoever waits for podman's.
func notify(b *box) {
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(b.TempDir(), "n"), Net: "unixgram"})
	if err != nil {
		b.Fatal(err)
	}
	defer socket.Close()
	path, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	o := options{more: []string{"-d", "--sdnotify", "container"}, binds: []string{path + ":" + probe + ":ro"}}
	c := &container{box: b, name: b.unique("ctr")}
	b.Cleanup(func() { c.remove() })
	words := b.e.run(b, c.name, &o, []string{probe, "notify"})
	b.must(append([]string{"env", "NOTIFY_SOCKET=" + socket.LocalAddr().String()}, words...)...)
	var said strings.Builder
	message := make([]byte, 4096)
	for !strings.Contains(said.String(), "READY=1") || !strings.Contains(said.String(), "MAINPID=") {
		if err := socket.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			b.Fatal(err)
		}
		n, err := socket.Read(message)
		if err != nil {
			b.Fatalf("%v after %q", err, said.String())
		}
		said.Write(append(message[:n], '\n'))
	}
}
