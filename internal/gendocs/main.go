// Command gendocs writes the manual pages, the reference pages and the completion scripts
// that the command tree gives, below the current directory. With -check it writes
// nothing and fails when a file differs from what it would write.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/manager-project/manager/cmd/manager/cli"
)

// folders hold nothing but generated files.
var folders = []string{"docs/man", "docs/reference", "completions"}

func main() {
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	files, err := cli.Documents()
	if err != nil {
		return err
	}
	stale, err := strangers(files)
	if err != nil {
		return err
	}
	if check {
		return compare(files, stale)
	}
	for _, path := range stale {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for path, data := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// strangers are files in the folders that are no longer generated.
func strangers(files map[string][]byte) ([]string, error) {
	var stale []string
	for _, dir := range folders {
		entries, err := os.ReadDir(dir)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); files[path] == nil {
				stale = append(stale, path)
			}
		}
	}
	return stale, nil
}

func compare(files map[string][]byte, stale []string) error {
	differing := slices.Clone(stale)
	for path, want := range files {
		have, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(have, want) {
			differing = append(differing, path)
		}
	}
	if len(differing) == 0 {
		return nil
	}
	slices.Sort(differing)
	return fmt.Errorf("%d generated files are out of date, %s first; run 'make docs'", len(differing), differing[0])
}
