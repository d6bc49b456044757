package embedded

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestDropOthers keeps one build of the large program, and everything that is none.
func TestDropOthers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{fullPrefix + "old", fullPrefix + "older", fullPrefix + "new", "manager-monitor-old"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dropOthers(dir, fullPrefix+"new")
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	if want := []string{fullPrefix + "new", "manager-monitor-old"}; !slices.Equal(names, want) {
		t.Errorf("left %q, want %q", names, want)
	}
}
