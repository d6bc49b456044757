package atomicfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrite: new content in the place of old, and nothing beside it; whoever has the old file open goes on to read that.
func TestWrite(t *testing.T) {
	for _, d := range []Durability{Volatile, Durable, Passing} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		var old *os.File
		for i, text := range []string{"first", "second, which is longer", "3rd"} {
			if err := Write(path, []byte(text), 0o640, d); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != text {
				t.Errorf("durability %d: %q, %v", d, got, err)
			}
			if st, err := os.Stat(path); err != nil || st.Mode() != 0o640 {
				t.Errorf("durability %d: mode %v, %v", d, st.Mode(), err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("durability %d: %v, %v", d, entries, err)
			}
			if i == 0 {
				if old, err = os.Open(path); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = old.Close() })
			}
		}
		var text strings.Builder
		if _, err := old.WriteTo(&text); err != nil || text.String() != "first" {
			t.Errorf("durability %d: the old file reads %q, %v", d, text.String(), err)
		}
	}
}

// TestWriteFails: what is there stays when it cannot be replaced, and nothing is left beside it.
func TestWriteFails(t *testing.T) {
	for _, d := range []Durability{Volatile, Durable, Passing} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := os.MkdirAll(filepath.Join(path, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, []byte("text"), 0o600, d); err == nil {
			t.Errorf("durability %d: replaced a directory", d)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || !entries[0].IsDir() {
			t.Errorf("durability %d: %v, %v", d, entries, err)
		}
	}
}
