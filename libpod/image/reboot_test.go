package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A link file that a power cut emptied is given a new link, which leads to its layer; others stay.
func TestMendLinks(t *testing.T) {
	home := t.TempDir()
	for _, layer := range []string{"torn", "whole"} {
		if err := os.MkdirAll(filepath.Join(home, layer, "diff"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"torn": "", "whole": "ABC"} {
		if err := os.WriteFile(filepath.Join(home, name, linkFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(home, "l"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing to do
		if err := mendLinks(home); err != nil {
			t.Fatal(err)
		}
	}
	read := func(layer string) string {
		text, err := os.ReadFile(filepath.Join(home, layer, linkFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if read("whole") != "ABC" {
		t.Errorf("the whole layer's link became %q", read("whole"))
	}
	to, err := filepath.EvalSymlinks(filepath.Join(home, "l", read("torn")))
	if err != nil || !strings.HasSuffix(to, "/torn/diff") {
		t.Errorf("the new link leads to %q, %v", to, err)
	}
	if links, _ := os.ReadDir(filepath.Join(home, "l")); len(links) != 1 {
		t.Errorf("%d links were made", len(links))
	}
}
