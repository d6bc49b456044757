// Command gendocs writes the manual pages, the reference pages and the completion scripts
// that the command tree gives, below the current directory, and removes those it no longer gives.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/cmd/manager/cli"
)

// folders hold nothing but generated files.
var folders = []string{"docs/man", "docs/reference", "completions"}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := cli.Documents()
	if err != nil {
		return err
	}
	stale, err := strangers(files)
	if err != nil {
		return err
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
