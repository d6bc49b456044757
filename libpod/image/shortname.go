package image

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"go.podman.io/storage/pkg/configfile"
	"go.podman.io/storage/pkg/homedir"
	"go.podman.io/storage/pkg/lockfile"
	"go.podman.io/storage/pkg/unshare"

	"github.com/manager-project/manager/pkg/errdefs"
)

// localCandidates lists the full names that a user's name may stand for in the store, as they
// are stored. A name with a registry is one; for a short name see Resolve.
func (s *Service) localCandidates(name string) ([]fullName, error) {
	full, err := parseFullName(name)
	if err != nil {
		return nil, invalidName(name, err)
	}
	short, err := parseName(name)
	if err != nil {
		return nil, invalidName(name, err)
	}
	if isRegistry(short.domain) {
		return []fullName{full.stored()}, nil
	}
	alias, registries, err := s.shortNames(short.repository())
	if err != nil {
		return nil, &errdefs.Error{Op: "read registries.conf", Class: errdefs.ErrInvalid, Cause: err}
	}
	var candidates []fullName
	if alias != "" {
		n, err := parseFullName(alias)
		if err != nil {
			return nil, &errdefs.Error{Op: "read registries.conf", Class: errdefs.ErrInvalid, Cause: fmt.Errorf("alias %q: %w", alias, err)}
		}
		n.tag, n.digest = short.tag, short.digest
		candidates = append(candidates, n.stored())
	}
	for _, registry := range append([]string{localDomain}, registries...) {
		n, err := parseFullName(registry + "/" + name)
		if err != nil {
			return nil, invalidName(name, err)
		}
		candidates = append(candidates, n.stored())
	}
	if hub := full.stored(); !slices.Contains(candidates, hub) {
		candidates = append(candidates, hub)
	}
	return candidates, nil
}

// isRegistry says that the first part of a name is a registry and not part of a short name.
func isRegistry(domain string) bool {
	return strings.ContainsAny(domain, ".:") || domain == localDomain
}

// shortNames returns what a short name is an alias of, or "", and the registries that short
// names are completed with. Aliases that pulls have written down come before those of
// registries.conf and its drop-in files. Source: containers-registries.conf(5).
func (s *Service) shortNames(name string) (alias string, registries []string, err error) {
	recorded, err := recordedAlias(name)
	if err != nil {
		return "", nil, err
	}
	for item, err := range configfile.Read(&configfile.File{
		Name: "registries", Extension: "conf", EnvironmentName: "CONTAINERS_REGISTRIES_CONF",
		CustomConfigFilePath: s.opts.RegistriesConf, CustomConfigFileDropInDirectory: s.opts.RegistriesConfDir,
		UserId: unshare.GetRootlessUID(),
	}) {
		if err != nil {
			return "", nil, err
		}
		c, err := readRegistries(item.Reader, name)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", item.Name, err)
		}
		if c.Search != nil {
			registries = c.Search
		}
		if a, ok := c.Aliases[name]; ok {
			alias = a
		}
	}
	if recorded != nil {
		alias = *recorded
	}
	for i := range registries {
		registries[i] = strings.TrimRight(registries[i], "/")
	}
	return alias, registries, nil
}

// registriesFile is what short names are concerned with in a registries.conf; a pull looks at,
// and checks, all of it.
type registriesFile struct {
	Search  []string          `toml:"unqualified-search-registries"`
	Aliases map[string]string `toml:"aliases"`
}

// readRegistries decodes a file, unless it can be seen at once that it says nothing about the
// name: distributions come with hundreds of aliases, and decoding them takes a millisecond.
func readRegistries(r io.Reader, name string) (*registriesFile, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	c := &registriesFile{}
	if !concerns(raw, name) {
		return c, nil
	}
	_, err = toml.Decode(string(raw), c)
	return c, err
}

// concerns says that a line which is no comment holds the name, the key of the search list, or
// a backslash, behind which either might hide.
func concerns(raw []byte, name string) bool {
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if bytes.Contains(line, []byte("unqualified-search-registries")) || bytes.Contains(line, []byte(name)) || bytes.IndexByte(line, '\\') >= 0 {
			return true
		}
	}
	return false
}

// recordedAlias is the alias that an earlier pull, of this or another program, wrote down; nil
// when there is none.
func recordedAlias(name string) (*string, error) {
	path, err := recordedAliasesPath()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	// Whoever writes the file truncates it first.
	lock, err := lockfile.GetLockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	lock.RLock()
	defer lock.Unlock()
	c, err := readRegistries(f, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if a, ok := c.Aliases[name]; ok {
		return &a, nil
	}
	return nil, nil
}

// recordedAliasesPath is where the image library writes aliases down.
func recordedAliasesPath() (string, error) {
	const file = "containers/short-name-aliases.conf"
	uid := os.Geteuid()
	if v := os.Getenv("_CONTAINERS_ROOTLESS_UID"); v != "" {
		uid, _ = strconv.Atoi(v)
	}
	if uid == 0 {
		return filepath.Join("/var/cache", file), nil
	}
	dir, err := homedir.GetCacheHome()
	return filepath.Join(dir, file), err
}
