package main

import (
	"bufio"
	"encoding/json"
	"io"
	"slices"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestEventsTellOfMemory has a process of a container need more than its limit, while somebody follows the events. It
// runs in the machine too, where cgroups are of version 2.
func TestEventsTellOfMemory(t *testing.T) {
	o := laneRuntime(t)
	const limit = 32 << 20
	start(t, o, "c", func(s *specs.Spec) {
		most := int64(limit)
		s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &most, Swap: &most}}
	})
	cmd := o.Command(t.Context(), "events", "--interval", "100ms", "c")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := decoded(out)
	// It watches before it prints the first statistics.
	if e := nextEvent(t, lines, "stats"); e.Data.Memory.Usage.Limit != limit {
		t.Errorf("%+v", e)
	}
	const greedy = "dd if=/dev/zero of=/dev/null bs=128M count=1"
	if r := o.Run(t, "exec", "c", "sh", "-c", greedy+"; echo $?"); r.Stdout != "137\n" {
		t.Errorf("what needs too much: %+v", r)
	}
	if e := nextEvent(t, lines, "oom"); e.ID != "c" {
		t.Errorf("%+v", e)
	}
	o.Must(t, "delete", "--force", "c")
	for more := true; more; {
		_, more = <-lines
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// memoryEvent is what the test looks at of an event.
type memoryEvent struct {
	Type, ID string
	Data     struct {
		Memory struct {
			Usage struct{ Limit uint64 }
		}
	}
}

// decoded sends each line of the events, until they end.
func decoded(r io.Reader) <-chan memoryEvent {
	all := make(chan memoryEvent, 1024)
	go func() {
		defer close(all)
		for s := bufio.NewScanner(r); s.Scan(); {
			var e memoryEvent
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				e.Type = err.Error()
			}
			all <- e
		}
	}()
	return all
}

// nextEvent waits for an event of a type.
func nextEvent(t *testing.T, lines <-chan memoryEvent, kind string) memoryEvent {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		select {
		case e, more := <-lines:
			if !more || !slices.Contains([]string{"stats", "oom"}, e.Type) {
				t.Fatalf("no event %q came, but %+v", kind, e)
			}
			if e.Type == kind {
				return e
			}
		case <-late:
			t.Fatalf("no event %q came", kind)
		}
	}
}
