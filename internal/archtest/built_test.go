package archtest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// largest is the most bytes of a file that git keeps. What is larger was built or fetched.
const largest = 1 << 20

// TestNothingBuilt looks at what git keeps: sources and texts, and no program that was added by mistake.
func TestNothingBuilt(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("this tree has no .git: nothing says what is kept")
	}
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(names) < 100 {
		t.Fatalf("git keeps only %d files", len(names))
	}
	for _, line := range built(root, names) {
		t.Error(line)
	}
}

// built are the complaints about files, by their names below root, that are large or programs.
func built(root string, names []string) []string {
	var lines []string
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil || !info.Mode().IsRegular() {
			continue // removed, and not yet committed; or a link
		}
		if info.Size() > largest {
			lines = append(lines, fmt.Sprintf("%s has %d bytes: it was built or fetched; git rm --cached it", name, info.Size()))
		}
		head := make([]byte, 4)
		f, err := os.Open(filepath.Join(root, name))
		if err != nil {
			return append(lines, err.Error())
		}
		n, _ := io.ReadFull(f, head)
		_ = f.Close()
		if bytes.Equal(head[:n], []byte("\x7fELF")) {
			lines = append(lines, name+" is a program; git rm --cached it")
		}
	}
	return lines
}

func TestBuiltIsNoticed(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string][]byte{
		"program": []byte("\x7fELF\x02\x01"), "large": make([]byte, largest+1), "fine": make([]byte, largest), "short": []byte("\x7fE"), "empty": nil,
	} {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := built(root, []string{"program", "large", "fine", "short", "empty", "gone"})
	if len(got) != 2 || !strings.HasPrefix(got[0], "program is") || !strings.HasPrefix(got[1], "large has") {
		t.Errorf("%q", got)
	}
}
