package libpod

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRelayed copies what goes through the pipes to the last byte, and does not wait for those who keep them open.
func TestRelayed(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 20000)
	var out, errs bytes.Buffer
	dir := t.TempDir()
	r, err := newRelayed(dir, "", strings.NewReader(text), &out, &errs)
	if err != nil {
		t.Fatal(err)
	}
	// The child of the shell has the pipes until it is told to go.
	hold, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "read x <&3 & cat; echo err >&2; echo again >/dev/stdout")
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = r.theirs[0], r.theirs[1], r.theirs[2], []*os.File{hold}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.begin()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		r.finish()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("it waits for a process that has the pipes open")
	}
	closeFiles([]*os.File{hold, release})
	<-done
	if out.String() != text+"again\n" || errs.String() != "err\n" {
		t.Errorf("%d bytes of output, %q", out.Len(), errs.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestRelayedGivenUp leaves nothing of a command that was not started.
func TestRelayedGivenUp(t *testing.T) {
	var out bytes.Buffer
	r, err := newRelayed(t.TempDir(), "", nil, &out, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.close()
	if r.theirs[0] != nil || r.theirs[1] == nil || r.theirs[2] != nil {
		t.Errorf("ends for the process: %v", r.theirs)
	}
	if _, err := newRelayed(t.TempDir()+"/none", "", nil, &out, nil); err == nil {
		t.Error("pipes in a directory that is not there")
	}
}
