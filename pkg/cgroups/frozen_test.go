package cgroups

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFrozenByTheOtherVersion: on a host with both, somebody else uses version 1's freezer.
func TestFrozenByTheOtherVersion(t *testing.T) {
	c := testCgroup(t, nil)
	dir, ok := c.v1["freezer"]
	if !ok || c.unified == "" {
		t.Skip("needs the freezers of both versions")
	}
	enter(t, c)
	file := filepath.Join(dir, "freezer.state")
	if err := os.WriteFile(file, []byte("FROZEN"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(file, []byte("THAWED"), 0) })
	if frozen, err := c.Frozen(); err != nil || !frozen {
		t.Errorf("frozen %v, %v", frozen, err)
	}
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
	if frozen, err := c.Frozen(); err != nil || frozen {
		t.Errorf("still frozen: %v, %v", frozen, err)
	}
	if s := readShort(file); s != "THAWED" {
		t.Errorf("the file says %s", s)
	}
	if err := c.KillAll(); err != nil {
		t.Fatal(err)
	}
}
