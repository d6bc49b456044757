package conf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Source says where to look. The zero value is a root user without environment.
type Source struct {
	// Getenv asks the environment; nil is an empty one.
	Getenv func(string) string
	// Rootless reads the user's files as well.
	Rootless bool
	// Modules are the words of --module.
	Modules []string
	// Prefix is put before /usr and /etc, for tests; "" is the system's own.
	Prefix string
}

// Load reads and merges all files that there are. None at all is an empty File. Errors
// are of class invalid (not TOML, with file and line) or not found (a file that was asked
// for by name).
func Load(s Source) (*File, error) {
	f := &File{}
	base, asked := s.base()
	for _, path := range base {
		if err := f.read(path, asked); err != nil {
			return nil, err
		}
	}
	for _, module := range s.Modules {
		path, err := s.module(module)
		if err != nil {
			return nil, err
		}
		if err := f.read(path, true); err != nil {
			return nil, err
		}
	}
	if path := s.getenv("CONTAINERS_CONF_OVERRIDE"); path != "" {
		if err := f.read(path, true); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (s Source) getenv(key string) string {
	if s.Getenv == nil {
		return ""
	}
	return s.Getenv(key)
}

// base lists the ordinary files; asked says that the user named them.
func (s Source) base() (paths []string, asked bool) {
	if path := s.getenv("CONTAINERS_CONF"); path != "" {
		return []string{path}, true
	}
	paths = []string{s.Prefix + "/usr/share/containers/containers.conf"}
	dirs := []string{s.Prefix + "/etc/containers"}
	if home := s.userDir(); home != "" && s.Rootless {
		dirs = append(dirs, home)
	}
	for _, dir := range dirs {
		paths = append(paths, filepath.Join(dir, "containers.conf"))
		paths = append(paths, dropIns(filepath.Join(dir, "containers.conf.d"))...)
	}
	return paths, false
}

func (s Source) userDir() string {
	if dir := s.getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "containers")
	}
	if home := s.getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "containers")
	}
	return ""
}

// dropIns are the *.conf files of a directory, by name.
func dropIns(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".conf") {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	sort.Strings(out)
	return out
}

// module finds the file of a --module word: a path, or a name in one of the directories
// containers.conf.modules.
func (s Source) module(word string) (string, error) {
	if filepath.IsAbs(word) {
		return word, nil
	}
	dirs := []string{s.Prefix + "/etc/containers", s.Prefix + "/usr/share/containers"}
	if home := s.userDir(); home != "" {
		dirs = append([]string{home}, dirs...)
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, "containers.conf.modules", word)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errdefs.NotFound("module", word).
		WithHint("put it into /etc/containers/containers.conf.modules, or give its path")
}

// read merges one file; one that is not there matters only when it was asked for.
func (f *File) read(path string, asked bool) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errdefs.NotFound("configuration file", path)
	}
	if err != nil {
		return err
	}
	if _, err := toml.Decode(withoutComments(string(data)), f); err != nil {
		return tomlError(path, err)
	}
	f.Loaded = append(f.Loaded, path)
	return nil
}

// withoutComments empties the lines that are comments, which in the files that distributions
// come with are nearly all, and keeps their number. The decoder takes a millisecond to read
// twenty kilobytes of them. Texts of several lines may hold what only looks like a comment.
func withoutComments(text string) string {
	if strings.Contains(text, `"""`) || strings.Contains(text, "'''") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") {
			line = "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// tomlError makes one line of the decoder's answer, with the line number where it has one.
func tomlError(path string, err error) error {
	var parse toml.ParseError
	if errors.As(err, &parse) {
		return errdefs.New(errdefs.ErrInvalid, "configuration file", path, "line %d: %s", parse.Position.Line, parse.Message).
			WithHint("correct that line")
	}
	text := strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "toml: ")), " ")
	return errdefs.New(errdefs.ErrInvalid, "configuration file", path, "%s", text).WithHint("correct that key")
}
