package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"io"
	"slices"
	"strings"
)

// measure is a thing with a length in lines.
type measure struct {
	name  string
	lines int
}

// report is what the tree looks like. It sets no limits.
type report struct {
	files, functions     []measure
	exported, documented int
	bare                 []string // exported names without a comment
}

// measureTree gathers the report.
func measureTree(files []*source) *report {
	r := new(report)
	for _, f := range files {
		r.files = append(r.files, measure{f.name, f.set.File(f.file.Pos()).LineCount()})
		for _, d := range f.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				r.function(f, d)
			case *ast.GenDecl:
				r.general(f, d)
			}
		}
	}
	return r
}

// function measures one function.
func (r *report) function(f *source, d *ast.FuncDecl) {
	lines := f.set.Position(d.End()).Line - f.set.Position(d.Pos()).Line + 1
	r.functions = append(r.functions, measure{f.name + " " + d.Name.Name, lines})
	if d.Name.IsExported() {
		r.name(f, d.Name.Name, d.Doc != nil)
	}
}

// general looks at types, constants and variables.
func (r *report) general(f *source, d *ast.GenDecl) {
	if d.Tok == token.IMPORT {
		return
	}
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() {
				r.name(f, s.Name.Name, d.Doc != nil || s.Doc != nil)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() {
					r.name(f, n.Name, d.Doc != nil || s.Doc != nil || s.Comment != nil)
				}
			}
		}
	}
}

// name counts one exported name.
func (r *report) name(f *source, name string, documented bool) {
	r.exported++
	if documented {
		r.documented++
		return
	}
	r.bare = append(r.bare, f.name+" "+name)
}

// print writes the report.
func (r *report) print(w io.Writer) {
	spread(w, "files", r.files)
	spread(w, "functions", r.functions)
	if r.exported > 0 {
		fmt.Fprintf(w, "documented: %d of %d exported names (%d%%)\n", r.documented, r.exported, 100*r.documented/r.exported)
	}
	if len(r.bare) > 0 {
		fmt.Fprintf(w, "without a comment: %s\n", strings.Join(r.bare[:min(20, len(r.bare))], ", "))
	}
}

// spread prints the median, the ninth decile and the three longest.
func spread(w io.Writer, title string, list []measure) {
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b measure) int { return cmp.Compare(a.lines, b.lines) })
	fmt.Fprintf(w, "%s: %d, lines at the median %d, nine in ten under %d, longest",
		title, len(list), list[len(list)/2].lines, list[len(list)*9/10].lines+1)
	for _, m := range list[max(0, len(list)-3):] {
		fmt.Fprintf(w, " %s (%d)", m.name, m.lines)
	}
	fmt.Fprintln(w)
}
