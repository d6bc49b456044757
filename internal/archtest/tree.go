package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tags are the build tags that the module is always built with.
const tags = "containers_image_openpgp exclude_graphdriver_btrfs"

// pkg is what go list says of a package.
type pkg struct {
	Dir        string
	ImportPath string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Deps       []string
	Module     *struct{ Main bool }
}

// ours says whether the package is part of our module.
func (p *pkg) ours() bool { return p.Module != nil && p.Module.Main }

// folder is the package's folder below the module's root.
func (p *pkg) folder() string {
	return strings.TrimPrefix(p.ImportPath, module)
}

// list asks go list about packages of ours and everything they import, built with more tags
// than the usual ones.
func list(root, packages string, more ...string) (map[string]*pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-tags", strings.Join(append(more, tags), " "),
		"-json=Dir,ImportPath,Standard,GoFiles,Imports,Deps,Module", packages)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.String())
	}
	all := map[string]*pkg{}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		p := new(pkg)
		if err := decoder.Decode(p); err != nil {
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			return nil, err
		}
		all[p.ImportPath] = p
	}
}

// moduleRoot is the folder of go.mod above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

// below says whether the folder is dir or lies below it.
func below(folder, dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return dir == "" || folder == dir || strings.HasPrefix(folder, dir+"/")
}

// foreign says whether an import path is neither ours nor the standard library's.
func foreign(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".") && !strings.HasPrefix(path+"/", module)
}

// hasPrefix says whether the import path is one of the prefixes or lies below it.
func hasPrefix(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if below(path, p) {
			return true
		}
	}
	return false
}
