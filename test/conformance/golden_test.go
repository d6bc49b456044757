package conformance

import (
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// addGolden adds the cases of a file of golden plans, and the file itself.
func (all *tests) addGolden(file string) error {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(file), ".txtar")
	all.golden[name] = true
	for _, f := range archive.Files {
		if c, ok := strings.CutSuffix(f.Name, ".json"); ok {
			all.golden[name+"/"+c] = true
		}
	}
	return nil
}
