package cli

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestHelpGolden(t *testing.T) {
	tr := testTree(t)
	for _, words := range []string{"", "run", "ps", "rm", "volume", "volume create"} {
		cc := find(tr, words)
		name := words
		if name == "" {
			name = "manager"
		}
		path := filepath.Join("testdata", "help-"+name+".txt")
		got := tr.helpText(cc)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("help of %q differs from %s:\n%s", words, path, got)
		}
	}
}

// TestDocumentsAreStable holds that generating twice gives the same bytes.
func TestDocumentsAreStable(t *testing.T) {
	a, err := Documents()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Documents()
	if err != nil {
		t.Fatal(err)
	}
	if len(a) != len(b) || len(a) < 100 {
		t.Fatalf("%d and %d files", len(a), len(b))
	}
	for path := range a {
		if string(a[path]) != string(b[path]) {
			t.Errorf("%s differs between two runs", path)
		}
	}
}

// TestDocumentsAreCommitted compares with the files of the tree, strangers among them.
func TestDocumentsAreCommitted(t *testing.T) {
	files, err := Documents()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join("..", "..", "..")
	for path, want := range files {
		if have, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(have) != string(want) {
			t.Errorf("%s is out of date (%v); run 'make docs'", path, err)
		}
	}
	for _, dir := range []string{"docs/man", "docs/reference", "completions"} {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); files[path] == nil {
				t.Errorf("%s is no longer generated; run 'make docs'", path)
			}
		}
	}
}
