package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// fakeMachine is a boot of a "QEMU" that is a script; its results' port is a file.
func fakeMachine(t *testing.T, script string, limit time.Duration) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("labels on the payload's files need root")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	// The console is the file that the real one would write.
	head := "#!/bin/sh\nfor word; do case $word in file:*) console=${word#file:};; socket,*) port=${word##*path=};; esac; done\n"
	if err := os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte(head+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	payload := filepath.Join(dir, "payload")
	if err := os.Mkdir(payload, 0o755); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	output.to = &text
	defer func() { output.to = os.Stdout }()
	m := &machine{files: &testenv.MachineFiles{}, dir: filepath.Join(t.TempDir(), "boot")}
	if tests, err := m.runTests(t.Context(), &boot{Lanes: []string{"v2", "v2-user"}}, payload, limit); err != nil || tests != 0 {
		t.Fatal(tests, err)
	}
	return text.String()
}

// TestMachineHangs ends a machine that goes on for ever, and shows its console.
func TestMachineHangs(t *testing.T) {
	text := fakeMachine(t, "echo the last words >$console; exec sleep 1000", 2*time.Second)
	for _, want := range []string{
		`{"Action":"fail","Package":"github.com/manager-project/manager/test/vm","Test":"v2"}`,
		`{"Action":"fail","Package":"github.com/manager-project/manager/test/vm","Test":"v2-user"}`,
		"the machine said nothing for 2s", "the last words",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// TestMachineFails tells a QEMU that does not start from one that powers off too early.
func TestMachineFails(t *testing.T) {
	if text := fakeMachine(t, "echo no such accelerator >&2; exit 3", time.Minute); !strings.Contains(text, "exit status 3: no such accelerator") {
		t.Error(text)
	}
	if text := fakeMachine(t, "exit 0", time.Minute); !strings.Contains(text, "powered off before the tests were through") {
		t.Error(text)
	}
}

// TestWatcher takes the results of a machine that dies in its second lane.
func TestWatcher(t *testing.T) {
	var text bytes.Buffer
	output.to = &text
	defer func() { output.to = os.Stdout }()
	w := newWatcher([]string{"v2", "v2-user"})
	err := w.read(strings.NewReader(`{"Action":"start","Package":"p@v2"}
{"Action":"pass","Package":"p@v2","Test":"TestA"}
{"Action":"pass","Package":"p@v2","Elapsed":1.5}
{"Action":"pass","Package":"` + lanePackage + `","Test":"v2"}
{"Action":"start","Package":"p@v2-user"}
a line of the kernel
{"Action":"run","Package":"p@v2-user","Test":"TestB"}`))
	if err != nil || w.tests != 1 {
		t.Errorf("%d tests, %v", w.tests, err)
	}
	text.Reset()
	w.end(os.ErrDeadlineExceeded)
	const want = `{"Action":"fail","Package":"p@v2-user"}` + "\n" +
		`{"Action":"output","Package":"` + lanePackage + `","Test":"v2-user","Output":"lane v2-user: i/o timeout\n"}` + "\n" +
		`{"Action":"fail","Package":"` + lanePackage + `","Test":"v2-user"}` + "\n"
	if text.String() != want {
		t.Errorf("got\n%s", text.String())
	}
}
