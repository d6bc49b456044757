package engines

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// A box is what a scenario gets: an engine with one runtime.
type box struct {
	*testing.T
	e *engine
	// runtime is the absolute path of the runtime; runtimeName is the name of the folder of its
	// states and of the runtime in dockerd's configuration.
	runtime, runtimeName string
}

// serial makes names that are used once.
var serial atomic.Int64

// unique is a name that no other container or process has.
func (b *box) unique(prefix string) string {
	b.Helper()
	n := serial.Add(1)
	return prefix + "-" + b.runtimeName[:1] + string(rune('a'+n/676%26)) + string(rune('a'+n/26%26)) + string(rune('a'+n%26))
}

// must runs a command that has to succeed and returns its output without the last newline.
func (b *box) must(words ...string) string {
	b.Helper()
	return b.e.must(b.T, words...)
}

// run runs a container in the foreground and removes it.
func (b *box) run(o options, args ...string) testenv.Result {
	b.Helper()
	return b.feed("", o, args...)
}

// feed is run with a text as the container's input.
func (b *box) feed(input string, o options, args ...string) testenv.Result {
	b.Helper()
	o.stdin = o.stdin || input != ""
	if b.e.name != "ctr" {
		o.more = append([]string{"--rm"}, o.more...)
	}
	return b.e.call(input, b.e.run(b, b.unique("run"), &o, args)...)
}

// out is run for a container that has to succeed: what it printed, without the last newline.
func (b *box) out(o options, args ...string) string {
	b.Helper()
	r := b.run(o, args...)
	if r.Code != 0 {
		b.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// A container is one that stays until the end of the scenario.
type container struct {
	*box
	name string
	gone bool
}

// start starts a container in the background; createOnly leaves the starting to the scenario.
func (b *box) start(o options, args ...string) *container {
	b.Helper()
	c := &container{box: b, name: b.unique("ctr")}
	o.detach = !o.createOnly
	b.Cleanup(func() {
		if !c.gone {
			c.remove()
		}
	})
	words := b.e.run(b, c.name, &o, args)
	if b.e.name == "ctr" && o.terminal { // it asks for one of its own even then
		b.ends(b.terminal("24x80", words), 0)
		return c
	}
	b.must(words...)
	return c
}

// sleeper starts a container whose program does nothing, and ends on SIGTERM.
func (b *box) sleeper(o options) *container {
	b.Helper()
	return b.start(o, "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done")
}

// exec runs another process in the container.
func (c *container) exec(o options, args ...string) testenv.Result {
	c.Helper()
	return c.e.call("", c.e.exec(c.box, c.name, &o, args)...)
}

// do says one of the engine's verbs and has to succeed.
func (c *container) do(verb string, more ...string) {
	c.Helper()
	for _, words := range c.e.verb(c.box, verb, c.name, more...) {
		c.must(words...)
	}
}

// remove removes the container, running or not.
func (c *container) remove() {
	c.Helper()
	c.gone = true
	c.do("remove")
}

// status is the container's state in the engine's words.
func (c *container) status() string {
	c.Helper()
	status, _ := c.e.look(c.box, c.name)
	return status
}

// pid is the container's first process.
func (c *container) pid() int {
	c.Helper()
	_, pid := c.e.look(c.box, c.name)
	if pid <= 0 {
		c.Fatalf("%s has no process", c.name)
	}
	return pid
}

// terminal starts a command of the engine on a terminal of the given size.
func (b *box) terminal(size string, words []string) *testenv.Terminal {
	b.Helper()
	t, err := testenv.StartTerminal(b.e.command(context.Background(), words), size)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(t.Close)
	return t
}

// expect waits until the terminal shows the pattern.
func (b *box) expect(t *testenv.Terminal, pattern string) {
	b.Helper()
	if err := t.Expect(pattern); err != nil {
		b.Fatalf("%v; the screen:\n%s", err, t.Text())
	}
}

// ends waits for the end of the command on the terminal.
func (b *box) ends(t *testenv.Terminal, code int) {
	b.Helper()
	got, err := t.Wait()
	if err != nil || got != code {
		b.Fatalf("exit code %d (%v), want %d; the screen:\n%s", got, err, code, t.Text())
	}
}

// eventually waits until something is true.
func (b *box) eventually(what string, is func() bool) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("%s does not happen", what)
		}
	}
}

// want compares a result.
func (b *box) want(r testenv.Result, code int, stdout string) {
	b.Helper()
	if r.Code != code || r.Stdout != stdout {
		b.Errorf("exit code %d, output %q (%s), want %d and %q", r.Code, r.Stdout, strings.TrimSpace(r.Stderr), code, stdout)
	}
}
