package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv/evil"
)

// interruption is a command that is interrupted, with what has to be there before and what is true after.
type interruption struct {
	name  string
	args  []string
	setup func(m *manager)
	// after looks at what there is; done says that the command ended with 0.
	after func(m *manager, done bool)
}

// TestInterruptedAtAnyTime sends the signals of Ctrl-C and of a service manager at random moments, and once more: the command
// ends with 130 or 143, or as usual when it was done, and leaves nothing of what it had not finished.
func TestInterruptedAtAnyTime(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	haveOther(m, nil)
	pull, name := pulling(m)
	big := "localhost/big:latest"
	var files []evil.Entry
	for i := range 2000 {
		files = append(files, evil.File(fmt.Sprintf("f%d", i), strings.Repeat("x", 2000), 0o644))
	}
	if err := evil.DockerArchive(filepath.Join(m.Dir, "big.tar.gz"), evil.Image{Name: big, Layers: [][]byte{evil.Layer(files...)}}); err != nil {
		t.Fatal(err)
	}
	image := func(name string, again ...string) func(m *manager, done bool) {
		return func(m *manager, done bool) {
			if there := m.with(nil, "image", "exists", name).Code == 0; there != done {
				m.t.Errorf("the image is there: %v, and done is %v", there, done)
			}
			m.must(again...) // it uses the layers that were whole, and takes away the others
			m.must("rmi", name)
			m.noTemporaries()
		}
	}
	load := []string{"load", "--quiet", "--input", "big.tar.gz"}
	list := []interruption{
		{"pull", pull, nil, image(name, pull...)},
		{"load", load, nil, image(big, load...)},
		{"run", []string{"run", "--rm", "--name", "x", "--network", "none", "-v", "/anonymous", busybox, "true"}, nil, nil},
		{"run -d", []string{"run", "-d", "--name", "x", "--network", "none", "-v", "/anonymous", busybox, "sleep", "1000"}, nil, func(m *manager, done bool) {
			m.sane("run -d") // a container that was started in the last moment goes on, as after a kill
			if s := m.statuses()["x"]; done && s != "running" {
				m.t.Errorf("it is %q, and done is %v", s, done)
			}
		}},
		{"stop", []string{"stop", "--time", "60", "x"}, func(m *manager) {
			m.must("run", "-d", "--name", "x", "--network", "none", busybox, "sh", "-c", "trap 'sleep 0.1; exit 0' TERM; echo up; while :; do sleep 0.02; done")
			m.eventually("it listens", 20*time.Second, func() bool { return m.Run("logs", "x").Stdout == "up\n" })
		}, func(m *manager, done bool) {
			if s := m.statuses()["x"]; done && s != "exited" || !done && s != "exited" && s != "running" {
				m.t.Errorf("it is %q, and done is %v", s, done)
			}
		}},
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	rounds := 12
	if soak() > 0 {
		rounds = 300
	}
	interrupted := 0
	for _, i := range list {
		took := i.takes(m)
		for range rounds {
			sig := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}[r.IntN(2)]
			first := time.Duration(r.Int64N(int64(took)))
			second := time.Duration(-1)
			if r.IntN(2) == 0 {
				second = time.Duration(r.Int64N(int64(took) / 4))
			}
			if i.once(m, sig, first, second) {
				interrupted++
			}
			if t.Failed() {
				t.Fatalf("this was %s with %v after %v of %v, and again after %v", i.name, sig, first, took, second)
			}
		}
	}
	count("interrupted", rounds*len(list))
	t.Logf("%d of %d were interrupted before they were done", interrupted, rounds*len(list))
	if interrupted < rounds {
		t.Error("that is too few")
	}
}

// takes is how long the command takes when it is left alone.
func (i *interruption) takes(m *manager) time.Duration {
	m.t.Helper()
	if i.setup != nil {
		i.setup(m)
	}
	began := time.Now()
	if r := m.with(nil, i.args...); r.Code != 0 {
		m.t.Fatalf("%s: exit code %d: %s", i.name, r.Code, r.Stderr)
	}
	took := time.Since(began)
	i.clean(m, true)
	return took
}

// clean looks at what the command has done, and removes it; nothing is left then.
func (i *interruption) clean(m *manager, done bool) {
	m.t.Helper()
	if i.after != nil {
		i.after(m, done)
	}
	m.reuse(i.name) // a second signal ends a command like a kill: the next one takes away what it had begun
}

// once interrupts the command, twice if second is not negative, and reports whether that ended it.
func (i *interruption) once(m *manager, sig syscall.Signal, first, second time.Duration) bool {
	m.t.Helper()
	if i.setup != nil {
		i.setup(m)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := m.Command(ctx, i.args...)
	cmd.Env = append(slices.Clone(m.Env), userWord)
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	time.Sleep(first) // a moment like any other
	_ = cmd.Process.Signal(sig)
	if second >= 0 {
		time.Sleep(second)
		_ = cmd.Process.Signal(sig)
	}
	_ = cmd.Wait()
	state := cmd.ProcessState
	code := state.ExitCode()
	if ws := state.Sys().(syscall.WaitStatus); ws.Signaled() && ws.Signal() == sig {
		code = 128 + int(sig) // it came before the program had begun
	}
	if ctx.Err() != nil || code != 0 && code != 128+int(sig) {
		m.t.Errorf("%s: exit code %d: %s", i.name, code, said.String())
	}
	if text := said.String(); code != 0 && text != "" && (strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "interrupted\n")) {
		m.t.Errorf("%s: it said %q", i.name, text)
	}
	i.clean(m, code == 0)
	return code != 0
}
