package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// source is one parsed file that is not a test.
type source struct {
	// name is the file's path below the module's root.
	name string
	set  *token.FileSet
	file *ast.File
}

// sources parses the files of our packages.
func sources(root string, all map[string]*pkg) ([]*source, error) {
	var files []*source
	for _, p := range all {
		if !p.ours() {
			continue
		}
		for _, name := range p.GoFiles {
			full := filepath.Join(p.Dir, name)
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, full, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			rel, err := filepath.Rel(root, full)
			if err != nil {
				return nil, err
			}
			files = append(files, &source{name: filepath.ToSlash(rel), set: set, file: file})
		}
	}
	slices.SortFunc(files, func(a, b *source) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// checkCalls returns one line for each banned import or call.
func checkCalls(files []*source, list []ban) []string {
	var wrong []string
	for _, f := range files {
		for i := range list {
			if b := &list[i]; b.covers(f.name) {
				wrong = append(wrong, b.find(f)...)
			}
		}
	}
	return wrong
}

// covers says whether the ban holds in the file.
func (b *ban) covers(name string) bool {
	in := func(dir string) bool { return below(name, dir) }
	return slices.ContainsFunc(b.in, in) && !slices.ContainsFunc(b.except, in)
}

// find returns the places in the file that break the ban.
func (b *ban) find(f *source) []string {
	local := f.localName(b.path)
	if local == "" {
		return nil
	}
	if b.name == "" {
		return []string{fmt.Sprintf("%s imports %s: %s", f.name, b.path, b.why)}
	}
	var wrong []string
	ast.Inspect(f.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != b.name {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
			line := f.set.Position(sel.Pos()).Line
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s.%s: %s", f.name, line, b.path, b.name, b.why))
		}
		return true
	})
	return wrong
}

// localName is what the file calls the package of that path, or "" if it does not import it.
func (f *source) localName(importPath string) string {
	for _, spec := range f.file.Imports {
		if got, err := strconv.Unquote(spec.Path.Value); err != nil || got != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}
