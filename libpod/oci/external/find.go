package external

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// usual are the directories in which a runtime without an entry in containers.conf is looked for.
var usual = []string{
	"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin", "/run/current-system/sw/bin",
}

// Search says where runtimes are looked for.
type Search struct {
	// Table has the paths for a name: [engine.runtimes] of containers.conf.
	Table map[string][]string
	// Path is the value of $PATH.
	Path string
	// Origin is who named the runtime, for messages: "--runtime", or a key of containers.conf.
	Origin string
}

// Find returns the absolute program of a runtime's name: the first of its paths in the table that is
// there, without an entry the usual directories, then $PATH. A name with a slash is the path itself.
// The class is ErrNotFound.
func (s Search) Find(name string) (string, error) {
	if strings.Contains(name, "/") {
		path, err := filepath.Abs(name)
		if err == nil && executable(path) {
			return path, nil
		}
		return "", s.notFound(name, fmt.Errorf("%s is not an executable file", name), "check the path")
	}
	list, known := s.Table[name]
	if !known {
		for _, dir := range usual {
			list = append(list, filepath.Join(dir, name))
		}
	}
	for _, path := range list {
		if filepath.IsAbs(path) && executable(path) {
			return path, nil
		}
	}
	for _, dir := range filepath.SplitList(s.Path) {
		// An empty or relative entry would make the answer depend on where the user stands.
		if path := filepath.Join(dir, name); filepath.IsAbs(dir) && executable(path) {
			return path, nil
		}
	}
	where := "the usual directories"
	if known {
		where = "its entry of [engine.runtimes] (" + strings.Join(list, ", ") + ")"
	}
	return "", s.notFound(name, fmt.Errorf("no such program in %s and in $PATH", where), s.others())
}

// others is the next step, with the names that are known.
func (s Search) others() string {
	names := []string{"manager-runtime"}
	for name := range s.Table {
		names = append(names, name)
	}
	for _, name := range []string{"crun", "runc"} {
		if slices.ContainsFunc(usual, func(dir string) bool { return executable(filepath.Join(dir, name)) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return "install it, give its path, or use one of " + strings.Join(slices.Compact(names), ", ")
}

func (s Search) notFound(name string, cause error, hint string) error {
	return &errdefs.Error{Op: s.Origin, Name: name, Class: errdefs.ErrNotFound, Cause: cause, Hint: hint}
}

// executable says whether the path is a file that this user may execute.
func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil
}
