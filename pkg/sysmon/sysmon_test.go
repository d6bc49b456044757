package sysmon

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRelax: one thread has the slack, and it is not the main one.
func TestRelax(t *testing.T) {
	if runtime.GOMAXPROCS(0) == 1 {
		t.Skip("needs two processors")
	}
	want, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	Relax()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	relaxed := ""
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%s/timerslack_ns", thread.Name()))
		if err != nil {
			t.Skip(err) // of others only root may know
		}
		switch n, _ := strconv.Atoi(strings.TrimSpace(string(text))); {
		case n == slack:
			relaxed += thread.Name() + " "
		case n != want:
			t.Errorf("thread %s has %d", thread.Name(), n)
		}
	}
	if relaxed == "" || strings.HasPrefix(relaxed, strconv.Itoa(os.Getpid())+" ") {
		t.Errorf("relaxed are %q of %v", relaxed, threads)
	}
	if Slack() != want {
		t.Errorf("%d before, want %d", Slack(), want)
	}
}
