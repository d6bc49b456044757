package archtest

import (
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

func tree(t *testing.T) (map[string]*pkg, []*source) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := list(root, "./...")
	if err != nil {
		t.Fatal(err)
	}
	files, err := sources(root, all)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no source was found")
	}
	return all, files
}

func TestTree(t *testing.T) {
	all, files := tree(t)
	t.Run("imports", func(t *testing.T) {
		for _, line := range checkImports(all, law) {
			t.Error(line)
		}
	})
	t.Run("calls", func(t *testing.T) {
		for _, line := range checkCalls(files, bans) {
			t.Error(line)
		}
	})
	t.Run("names", func(t *testing.T) {
		for _, p := range all {
			if p.ours() && slices.Contains(unwanted, path.Base(p.ImportPath)) {
				t.Errorf("%s: a folder's name says what is in it", p.folder())
			}
		}
	})
	t.Run("report", func(t *testing.T) { measureTree(files).print(t.Output()) })
}

// TestLean looks at the program that most commands start: what it links, each of them pays for.
func TestLean(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := list(root, "./cmd/manager", "lean")
	if err != nil {
		t.Fatal(err)
	}
	if p := all[module+"cmd/manager"]; p == nil || len(p.Deps) == 0 {
		t.Fatal("cmd/manager was not found")
	}
	for path := range all {
		if hasPrefix(path, transfers) {
			t.Errorf("the lean program links %s; only files without the tag \"lean\" may import it", path)
		}
	}
}

// fake builds a tree from lines "folder: import import".
func fake(lines ...string) map[string]*pkg {
	all := map[string]*pkg{}
	for _, line := range lines {
		folder, imports, _ := strings.Cut(line, ":")
		p := &pkg{ImportPath: module + folder, Imports: strings.Fields(imports), Module: &struct{ Main bool }{true}}
		for i, path := range p.Imports {
			if own, ok := strings.CutPrefix(path, "./"); ok {
				p.Imports[i] = module + own
			}
		}
		p.Deps = slices.Clone(p.Imports)
		all[p.ImportPath] = p
	}
	for range all { // enough rounds for the longest chain
		for _, p := range all {
			for _, path := range p.Deps {
				if q := all[path]; q != nil {
					p.Deps = append(p.Deps, q.Deps...)
				}
			}
			slices.Sort(p.Deps)
			p.Deps = slices.Compact(p.Deps)
		}
	}
	return all
}

func TestLaw(t *testing.T) {
	for name, tc := range map[string]struct {
		tree []string
		want string // a part of the only complaint, or "" for none
	}{
		"command to core":        {[]string{"cmd/manager/cli: ./libpod github.com/spf13/cobra os"}, ""},
		"core to cobra":          {[]string{"libpod: github.com/spf13/cobra"}, "libpod imports github.com/spf13/cobra"},
		"leaf to core":           {[]string{"pkg/spec: ./libpod/define"}, "pkg/spec imports libpod/define"},
		"core to service":        {[]string{"libpod: ./libpod/state ./libpod/image"}, ""},
		"service to definitions": {[]string{"libpod/state: ./libpod/define ./pkg/errdefs"}, ""},
		"service to its part":    {[]string{"libpod/oci: ./libpod/oci/embedded"}, ""},
		"service to service":     {[]string{"libpod/state: ./libpod/image"}, "only through an interface"},
		"service to core":        {[]string{"libpod/state: ./libpod"}, "does not import libpod itself"},
		"definitions to leaf":    {[]string{"libpod/define: ./pkg/errdefs"}, "libpod/define imports pkg/errdefs"},
		"runtime to storage": {
			[]string{"cmd/manager-runtime: ./pkg/lookup", "pkg/lookup: go.podman.io/storage"},
			"cmd/manager-runtime pulls in go.podman.io/storage",
		},
		"monitor to logging": {
			[]string{"cmd/manager-monitor: ./pkg/lookup", "pkg/lookup: github.com/sirupsen/logrus"},
			"cmd/manager-monitor pulls in github.com/sirupsen/logrus",
		},
		"monitor to stranger": {[]string{"cmd/manager-monitor: example.com/x"}, "only [golang.org/x/sys/]"},
		"monitor to system":   {[]string{"cmd/manager-monitor: golang.org/x/sys/unix"}, ""},
		"unknown folder":      {[]string{"elsewhere: os"}, "no rule"},
	} {
		t.Run(name, func(t *testing.T) {
			got := checkImports(fake(tc.tree...), law)
			if tc.want == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || tc.want == "" || !strings.Contains(got[0], tc.want) {
				t.Errorf("got %q, want one with %q", got, tc.want)
			}
		})
	}
}

func TestBans(t *testing.T) {
	for name, tc := range map[string]struct {
		file, text string
		want       int
	}{
		"exit in a leaf":     {"pkg/x/x.go", `import "os"; func f() { os.Exit(1) }`, 1},
		"exit renamed":       {"libpod/x.go", `import o "os"; func f() { o.Exit(1) }`, 1},
		"exit in main":       {"cmd/manager/main.go", `import "os"; func f() { os.Exit(1) }`, 0},
		"exit in a command":  {"cmd/manager/cli/x.go", `import "os"; func f() { os.Exit(1) }`, 1},
		"exit of the helper": {"cmd/manager-monitor/main.go", `import "os"; func f() { os.Exit(1) }`, 0},
		"create":             {"libpod/x.go", `import "os"; func f() { os.Create("x") }`, 1},
		"somebody's Create":  {"libpod/x.go", `import "os"; func f() { os.Open("x"); rt.Create("x") }`, 0},
		"joined string":      {"libpod/x.go", `import "github.com/cyphar/filepath-securejoin"`, 1},
		"printed":            {"pkg/x.go", `import "fmt"; func f() { fmt.Println() }`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, tc.file, "package x; "+tc.text, 0)
			if err != nil {
				t.Fatal(err)
			}
			got := checkCalls([]*source{{tc.file, set, file}}, bans)
			if len(got) != tc.want {
				t.Errorf("got %q, want %d", got, tc.want)
			}
		})
	}
}
