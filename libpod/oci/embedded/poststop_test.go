package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// Each hook runs once, in its order, whatever became of the one before, and reads the state of a container
// that has stopped.
func TestFinishRunsEachHookOnce(t *testing.T) {
	bundle := t.TempDir()
	log := filepath.Join(t.TempDir(), "log")
	h := &compile.Handles{State: plan.State{ID: "c", Bundle: bundle}}
	for i := range 12 {
		script := fmt.Sprintf("echo %d >> %s; grep -q '\"status\":\"stopped\"' || echo state >> %s; exit %d", i, log, log, i%2)
		h.Poststop = append(h.Poststop, plan.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: bundle})
	}
	if err := owePoststop(bundle, h); err != nil {
		t.Fatal(err)
	}
	l := oci.Leftover{ID: "c", Bundle: bundle}
	for turn, want := range []int{6, 0} {
		failed := 0
		for _, err := range (&Runtime{}).Finish(context.Background(), l) {
			if err != nil {
				failed++
			}
		}
		if failed != want {
			t.Errorf("turn %d: %d failed, want %d", turn, failed, want)
		}
	}
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if words := strings.Join(strings.Fields(string(got)), " "); words != "0 1 2 3 4 5 6 7 8 9 10 11" {
		t.Errorf("ran %s", words)
	}
}

// A launch that was killed while it noted the hooks leaves one that cannot be read, and no container.
func TestFinishOfHalfANote(t *testing.T) {
	bundle := t.TempDir()
	path := filepath.Join(bundle, poststopDir, "000000")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(`{"hook":`), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join((&Runtime{}).Finish(context.Background(), oci.Leftover{Bundle: bundle})...); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the note: %v", err)
	}
	if err := owePoststop(t.TempDir(), &compile.Handles{}); err != nil {
		t.Error(err)
	}
}
