package external

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// put makes a file and returns its path.
func put(t *testing.T, dir, name string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	listed := put(t, dir, "second/mine", 0o755)
	inPath := put(t, dir, "path/mine", 0o755)
	other := put(t, dir, "path/other-runtime", 0o755)
	put(t, dir, "first/mine", 0o644) // not executable: the next of the list
	table := map[string][]string{
		"mine":  {"relative/mine", filepath.Join(dir, "first/mine"), listed, inPath},
		"moved": {filepath.Join(dir, "nowhere/moved")},
		"mine2": {},
	}
	moved := put(t, dir, "path/moved", 0o755)
	s := Search{Table: table, Path: "::relative:" + filepath.Join(dir, "nowhere") + ":" + filepath.Join(dir, "path"), Origin: "--runtime"}
	for name, want := range map[string]string{"mine": listed, "moved": moved, "other-runtime": other, other: other} {
		if got, err := s.Find(name); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	for name, words := range map[string][]string{
		"no-such-runtime":                  {"--runtime no-such-runtime", "usual directories and in $PATH"},
		"mine2":                            {"[engine.runtimes]"},
		dir + "/first/mine":                {"not an executable file"},
		dir:                                {"not an executable file"},
		filepath.Join(dir, "path/missing"): {"not an executable file"},
		"./missing":                        {"not an executable file"},
	} {
		_, err := s.Find(name)
		if !errors.Is(err, errdefs.ErrNotFound) || errdefs.Hint(err) == "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, hint %q", name, err, errdefs.Hint(err))
			continue
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v lacks %q", name, err, w)
			}
		}
	}
	if _, err := s.Find("no-such-runtime"); !strings.Contains(errdefs.Hint(err), "manager-runtime, mine, mine2, moved") {
		t.Errorf("hint %q", errdefs.Hint(err))
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]struct {
		name    string
		version [2]int
	}{
		"runc version 1.1.5+ds1\ncommit: x\nspec: 1.0.2-dev": {"runc", [2]int{1, 1}},
		"crun version 1.8.1\ncommit: f8a096be":               {"crun", [2]int{1, 8}},
		"crun version 1.20":                                  {"crun", [2]int{1, 20}},
		"runc version 0.1.0-dev\nspec: 1.3.0\nprogram: mine": {"mine", [2]int{0, 1}},
		"runc version 1":                                     {},
		"runc version one.two":                               {},
		"runsc version release-2026.1":                       {},
		"usage: x":                                           {},
		"":                                                   {},
	} {
		if name, version := parseVersion(text); name != want.name || version != want.version {
			t.Errorf("%q: %q %v", text, name, version)
		}
	}
}
