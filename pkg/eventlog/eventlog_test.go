package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func testLog(t *testing.T, size int64) Log {
	return Log{Path: filepath.Join(t.TempDir(), "events.log"), MaxSize: size}
}

func appendAll(t *testing.T, l Log, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := l.Append(Event{Type: Container, Status: Create, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, l Log, o ReadOptions) []string {
	t.Helper()
	var got []string
	if err := l.Read(t.Context(), o, func(e Event) error { got = append(got, e.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRoundTrip(t *testing.T) {
	l, code := testLog(t, 0), 3
	want := Event{
		Type: Container, Status: Died, ID: "id", Name: "web", Image: "img", ContainerExitCode: &code,
		Attributes: map[string]string{"a": "b\n\"c\"\x1b[31m \u00e4 <&>", "": "\\"}, Error: "no\tdisk",
	}
	want.SetTime(time.Unix(0, 1234567890123456789))
	if err := l.Append(want); err != nil {
		t.Fatal(err)
	}
	var got []Event
	if err := l.Read(t.Context(), ReadOptions{FromStart: true}, func(e Event) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Fatalf("got %+v", got)
	}
	// What is written by hand has the names and the values that the type has.
	for _, e := range []Event{want, {Type: Image, Status: Pull}} {
		var byHand, byType map[string]any
		data, err := json.Marshal(e)
		if err == nil {
			err = errors.Join(json.Unmarshal(data, &byType), json.Unmarshal(e.AppendJSON(nil), &byHand))
		}
		if err != nil || !reflect.DeepEqual(byHand, byType) {
			t.Errorf("%v: by hand %v, by type %v", err, byHand, byType)
		}
	}
}

func TestNothingKept(t *testing.T) {
	if err := (Log{}).Append(Event{Status: Create}); err != nil {
		t.Fatal(err)
	}
	if got := names(t, testLog(t, 0), ReadOptions{FromStart: true}); got != nil {
		t.Fatalf("an absent log has %v", got)
	}
}

func TestBounded(t *testing.T) {
	l := testLog(t, 2000)
	for i := range 200 {
		appendAll(t, l, strconv.Itoa(i))
	}
	for _, path := range []string{l.Path, l.older()} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Size() > 2000 {
			t.Errorf("%s has %d bytes", path, st.Size())
		}
	}
	got := names(t, l, ReadOptions{FromStart: true})
	for i, name := range got {
		if want := strconv.Itoa(200 - len(got) + i); name != want {
			t.Fatalf("event %d is %s, not %s", i, name, want)
		}
	}
	if len(got) < 12 {
		t.Errorf("only %d events are left", len(got))
	}
}

func TestTornLine(t *testing.T) {
	l := testLog(t, 0)
	appendAll(t, l, "one")
	f, err := os.OpenFile(l.Path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"Name":"cut","Status":"cre`); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if got := names(t, l, ReadOptions{FromStart: true}); fmt.Sprint(got) != "[one]" {
		t.Errorf("with a torn end: %v", got)
	}
	appendAll(t, l, "two")
	if got := names(t, l, ReadOptions{FromStart: true}); fmt.Sprint(got) != "[one two]" {
		t.Errorf("after it: %v", got)
	}
}

func TestTimes(t *testing.T) {
	l := testLog(t, 0)
	at := time.Unix(1000, 0)
	for i := range 5 {
		e := Event{Type: Image, Status: Pull, Name: strconv.Itoa(i)}
		e.SetTime(at.Add(time.Duration(i) * time.Second))
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	got := names(t, l, ReadOptions{FromStart: true, Since: at.Add(time.Second), Until: at.Add(3 * time.Second)})
	if fmt.Sprint(got) != "[1 2]" {
		t.Errorf("got %v", got)
	}
}

func TestLargeAttributes(t *testing.T) {
	l := testLog(t, 0)
	if err := l.Append(Event{Type: Container, Status: Create, Name: "big", Attributes: map[string]string{"a": strings.Repeat("x", maxLine)}}); err != nil {
		t.Fatal(err)
	}
	if got := names(t, l, ReadOptions{FromStart: true}); fmt.Sprint(got) != "[big]" {
		t.Errorf("got %v", got)
	}
}

// TestFollowWhileManyWrite has processes write beyond two renames while readers follow: each reader
// sees each event once, and each writer's in order. A reader that has the first file open is sure of
// three of them, however slow it is.
func TestFollowWhileManyWrite(t *testing.T) {
	const writers, each, size = 4, 150, 25 << 10
	if path := os.Getenv("EVENTLOG_WRITER"); path != "" {
		l := Log{Path: path, MaxSize: size}
		for i := range each {
			appendAll(t, l, os.Getenv("EVENTLOG_NAME")+" "+strconv.Itoa(i))
		}
		return
	}
	l := testLog(t, size)
	appendAll(t, l, "first")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var reading, wait sync.WaitGroup
	for reader := range 2 {
		reading.Add(1)
		wait.Go(func() {
			began := sync.OnceFunc(reading.Done)
			defer began()
			seen, next := 0, map[string]int{}
			rctx, done := context.WithCancel(ctx)
			defer done()
			err := l.Read(rctx, ReadOptions{Follow: true, FromStart: true}, func(e Event) error {
				if e.Name == "first" {
					began()
					return nil
				}
				writer, number, _ := strings.Cut(e.Name, " ")
				if n, _ := strconv.Atoi(number); n != next[writer] {
					return fmt.Errorf("writer %s: event %d came when %d was due", writer, n, next[writer])
				}
				next[writer]++
				if seen++; seen == writers*each {
					done()
				}
				return nil
			})
			if seen != writers*each {
				t.Errorf("reader %d saw %d events: %v", reader, seen, err)
			}
		})
	}
	reading.Wait()
	for w := range writers {
		wait.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestFollowWhileManyWrite$")
			cmd.Env = append(os.Environ(), "EVENTLOG_WRITER="+l.Path, "EVENTLOG_NAME="+strconv.Itoa(w))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("writer: %v\n%s", err, out)
			}
		})
	}
	wait.Wait()
	if _, err := os.Stat(l.older()); err != nil {
		t.Errorf("nothing was renamed: %v", err)
	}
}

func TestFollowEndsAtUntil(t *testing.T) {
	l := testLog(t, 0)
	appendAll(t, l, "before")
	got := names(t, l, ReadOptions{Follow: true, FromStart: true, Until: time.Now().Add(50 * time.Millisecond)})
	if fmt.Sprint(got) != "[before]" {
		t.Errorf("got %v", got)
	}
}
