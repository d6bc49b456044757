package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWatch: it wakes for either descriptor, also for what was there before, and says which it was.
func TestWatch(t *testing.T) {
	var pipes [2][2]int
	for i := range pipes {
		if err := unix.Pipe2(pipes[i][:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = unix.Close(pipes[i][0]), unix.Close(pipes[i][1]) }()
	}
	w, err := newWatch(pipes[0][0], pipes[1][0])
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	send := func(i int) {
		if _, err := unix.Write(pipes[i][1], []byte{1}); err != nil {
			t.Error(err)
		}
	}
	take := func(i int) {
		if _, err := unix.Read(pipes[i][0], make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
	for range 2000 {
		go send(1)
		if first, err := w.wait(); first || err != nil {
			t.Fatalf("first %v, %v", first, err)
		}
		if first, err := w.wait(); first || err != nil { // nobody has read it
			t.Fatalf("again: first %v, %v", first, err)
		}
		take(1)
	}
	send(0)
	send(1)
	if first, err := w.wait(); !first || err != nil {
		t.Fatalf("first %v, %v", first, err)
	}
}

// TestWatchFails: a descriptor that cannot be waited for is an error.
func TestWatchFails(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if w, err := newWatch(int(file.Fd())); err == nil {
		w.close()
		t.Error("watches a file on disk")
	}
}
