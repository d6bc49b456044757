package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// logChain writes a log of several files, the oldest first, each with the numbered lines of its part.
func logChain(t *testing.T, bounds ...int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ctr.log")
	for i := range len(bounds) - 1 {
		name := older(path, len(bounds)-2-i)
		if err := os.WriteFile(name, []byte(numbered(bounds[i], bounds[i+1])), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func TestManyFiles(t *testing.T) {
	o := Options{Path: logChain(t, 0, 5, 10, 10, 15, 20), Files: 9, Tail: All}
	if got := collect(t, o); got != lines(0, 20) {
		t.Errorf("all: %q", got)
	}
	for n := range 22 {
		o.Tail = n
		if got, want := collect(t, o), lines(max(20-n, 0), 20); got != want {
			t.Errorf("tail %d: %q, not %q", n, got, want)
		}
	}
	o.Tail, o.Since, o.Until = All, epoch.Add(4*time.Second), epoch.Add(11*time.Second)
	if got := collect(t, o); got != lines(4, 12) {
		t.Errorf("between: %q", got)
	}
}

// TestGaps reads a log of which somebody took files away.
func TestGaps(t *testing.T) {
	path := logChain(t, 0, 5, 10, 15)
	if err := os.Remove(path + ".1"); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, Options{Path: path, Files: 3, Tail: All}); got != lines(0, 5)+lines(10, 15) {
		t.Errorf("without the middle: %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, Options{Path: path, Files: 3, Tail: All}); got != lines(0, 5) {
		t.Errorf("without the newest: %q", got)
	}
}

// TestPartialAcrossFiles has a line whose beginning was rotated away from its end.
func TestPartialAcrossFiles(t *testing.T) {
	path := logFile(t, k8s(2, "F end", "F c"), k8s(0, "F a", "P begin "))
	for n, want := range []string{"", "c\n", "begin end\nc\n", "a\nbegin end\nc\n"} {
		if got := collect(t, Options{Path: path, Tail: n}); got != want {
			t.Errorf("tail %d: %q, not %q", n, got, want)
		}
	}
}

// rotate renames as the monitor does.
func rotate(t *testing.T, path string, files int) {
	t.Helper()
	for i := files - 1; i > 0; i-- {
		if err := os.Rename(older(path, i-1), older(path, i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

// TestReadDuringRotations reads again and again what a writer rotates all the time: always a piece without a
// gap and without a line twice, and never a piece that ends before the last reading did.
func TestReadDuringRotations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctr.log")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i += 10 {
			select {
			case <-stop:
				return
			default:
			}
			rotate(t, path, 4)
			if err := os.WriteFile(path, []byte(numbered(i, i+10)), 0o600); err != nil {
				t.Error(err)
			}
			time.Sleep(200 * time.Microsecond)
		}
	}()
	last := -1
	for read := 0; read < 300; {
		next := -1
		err := Read(context.Background(), Options{Path: path, Files: 4, Driver: K8sFile, Tail: All}, func(l Line) error {
			var n int
			if _, err := fmt.Sscanf(string(l.Text), "line %d", &n); err != nil {
				return err
			}
			if next >= 0 && n != next {
				return fmt.Errorf("line %d follows line %d", n, next-1)
			}
			next = n + 1
			return nil
		})
		if err != nil && next < 0 {
			continue // not there yet
		}
		if err != nil || next < last {
			t.Fatalf("reading %d ends at %d after %d: %v", read, next, last, err)
		}
		last = next
		read++
	}
	close(stop)
	<-done
}

// TestFollowTooSlow is a follower that does not keep up with the rotations. It is told, and goes on with what
// there is.
func TestFollowTooSlow(t *testing.T) {
	path := logChain(t, 0, 5)
	done := make(chan struct{})
	lost, first := 0, true
	var got strings.Builder
	o := Options{Path: path, Files: 3, Driver: K8sFile, Tail: All, Follow: true, Done: done, Lost: func() { lost++ }}
	err := Read(context.Background(), o, func(l Line) error {
		if first {
			first = false
			for i := 5; i < 30; i += 5 {
				rotate(t, path, 3)
				if err := os.WriteFile(path, []byte(numbered(i, i+5)), 0o600); err != nil {
					t.Error(err)
				}
			}
			close(done)
		}
		fmt.Fprintf(&got, "%s\n", l.Text)
		return nil
	})
	if err != nil || lost != 1 || got.String() != lines(0, 5)+lines(15, 30) {
		t.Errorf("%v, told %d times: %q", err, lost, got.String())
	}
}

// TestFollowTail begins with the last lines, which are in an older file, and goes on over a rotation.
func TestFollowTail(t *testing.T) {
	path := logChain(t, 0, 5, 7)
	done := make(chan struct{})
	var got strings.Builder
	o := Options{Path: path, Files: 3, Driver: K8sFile, Tail: 4, Follow: true, Done: done}
	idle := 0
	o.Idle = func() error {
		if idle++; idle == 1 {
			rotate(t, path, 3)
			if err := os.WriteFile(path, []byte(numbered(7, 9)), 0o600); err != nil {
				t.Error(err)
			}
			close(done)
		}
		return nil
	}
	if err := Read(context.Background(), o, func(l Line) error { fmt.Fprintf(&got, "%s\n", l.Text); return nil }); err != nil || got.String() != lines(3, 9) {
		t.Errorf("%v: %q", err, got.String())
	}
}
