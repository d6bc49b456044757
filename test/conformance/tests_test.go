package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tests are those of the tree.
type tests struct {
	// folders has for each folder with tests the names of its functions and the words in its
	// files that can be the name of a subtest.
	folders map[string]*folder
	// scripts are the end-to-end scripts, "NOUN/VERB-CASE".
	scripts map[string]bool
	// golden are the cases of the golden files, "FILE/CASE".
	golden map[string]bool
	// lanes are those of test/vm that are no lanes of tests.
	lanes map[string]bool
}

// lane is how test/vm names such a lane.
var lane = regexp.MustCompile(`lane\w+ = "([^"]+)"`)

type folder struct{ functions, words map[string]bool }

// findTests reads the test files of the tree.
func findTests(root string) (*tests, error) {
	all := &tests{folders: map[string]*folder{}, scripts: map[string]bool{}, golden: map[string]bool{}, lanes: map[string]bool{}}
	source, err := os.ReadFile(filepath.Join(root, "test/vm/cut.go"))
	if err != nil {
		return nil, err
	}
	for _, match := range lane.FindAllStringSubmatch(string(source), -1) {
		all.lanes[match[1]] = true
	}
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		switch base := filepath.Base(file); {
		case d.IsDir() && base != "." && base != ".." && strings.HasPrefix(base, "."):
			return filepath.SkipDir
		case strings.HasSuffix(base, "_test.go"):
			return all.addFile(file, filepath.Dir(name))
		case strings.HasPrefix(name, "test/e2e/testdata/script/"):
			all.scripts[strings.TrimSuffix(strings.TrimPrefix(name, "test/e2e/testdata/script/"), ".txtar")] = true
		case strings.Contains(name, "/testdata/golden/") && strings.HasSuffix(base, ".txtar"):
			return all.addGolden(file)
		}
		return nil
	})
	return all, err
}

// addFile adds the functions and words of a test file.
func (all *tests) addFile(file, dir string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if all.folders[dir] == nil {
		all.folders[dir] = &folder{map[string]bool{}, map[string]bool{}}
	}
	f := all.folders[dir]
	ast.Inspect(parsed, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && (strings.HasPrefix(n.Name.Name, "Test") || strings.HasPrefix(n.Name.Name, "Fuzz")) {
				f.functions[n.Name.Name] = true
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				if word, err := strconv.Unquote(n.Value); err == nil {
					f.words[word] = true
				}
			}
		}
		return true
	})
	return nil
}

// find looks for a name of the page: "FOLDER TestName", "FOLDER TestName/SUBTEST", "lane NAME" of the
// virtual machine, or "script NOUN/VERB-CASE". The last part of a subtest is a word of a table in the folder's
// tests; of TestGolden it is a file and a case in it.
func (all *tests) find(name string) error {
	dir, test, ok := strings.Cut(name, " ")
	if !ok {
		return fmt.Errorf("%q: want a folder and a test", name)
	}
	if dir == "lane" {
		if !all.lanes[test] {
			return fmt.Errorf("no lane %s", test)
		}
		return nil
	}
	if dir == "script" {
		if !all.scripts[test] {
			return fmt.Errorf("no script %s", test)
		}
		return nil
	}
	f := all.folders[dir]
	if f == nil {
		return fmt.Errorf("no tests in %s", dir)
	}
	function, sub, isSub := strings.Cut(test, "/")
	switch {
	case !f.functions[function]:
		return fmt.Errorf("no function %s in %s", function, dir)
	case function == "TestGolden":
		if isSub && !all.golden[sub] {
			return fmt.Errorf("no golden case %s", sub)
		}
	case isSub && !f.words[sub] && !f.words[path.Base(sub)]:
		return fmt.Errorf("no subtest %s of %s in %s", sub, function, dir)
	}
	return nil
}

// TestFindRefuses: a name that is not there is not found.
func TestFindRefuses(t *testing.T) {
	known, err := findTests("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"TestFindRefuses", "test/conformance TestNothing", "test/nothing TestFindRefuses", "script no/such", "lane none",
		"test/conformance TestFindRefuses/" + strings.Repeat("no such word ", 2),
	} {
		if known.find(name) == nil {
			t.Errorf("%q was found", name)
		}
	}
	if err := known.find("test/conformance TestFindRefuses"); err != nil {
		t.Error(err)
	}
}
