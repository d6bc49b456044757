package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestRun runs a command that leaves a process and a file in its temporary folder.
func TestRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for script, wants := range map[string][]string{
		`echo '{"Action":"pass","Package":"p","Test":"TestA"}'`:         nil,
		`echo '{"Action":"fail","Package":"p","Test":"TestA"}'; exit 1`: {"TestA"},
		`touch $TMPDIR/forgotten; sleep 20 <&- >/dev/null 2>&1 &
		echo '{"Action":"pass","Package":"p","Test":"TestA"}'; echo $! >pid`: {"forgotten", "process"},
	} {
		var text bytes.Buffer
		out := bufio.NewWriter(&text)
		sum := newSummary(out)
		pid := filepath.Join(t.TempDir(), "pid")
		if err := sum.run([]string{"sh", "-c", strings.ReplaceAll(script, ">pid", ">"+pid)}); err != nil {
			t.Fatal(err)
		}
		if raw, err := os.ReadFile(pid); err == nil {
			t.Cleanup(func() { kill(t, string(raw)) })
		}
		sum.report()
		out.Flush()
		if sum.ok() != (wants == nil) {
			t.Errorf("ok is %v:\n%s", sum.ok(), text.String())
		}
		for _, want := range wants {
			if !strings.Contains(text.String(), want) {
				t.Errorf("no %q in:\n%s", want, text.String())
			}
		}
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// TestRunFailsUnexplained runs a command that fails without an event that says so.
func TestRunFailsUnexplained(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var text bytes.Buffer
	sum := newSummary(bufio.NewWriter(&text))
	err := sum.run([]string{"sh", "-c", `echo '{"Action":"pass","Package":"p","Test":"TestA"}'; exit 3`})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
}
