package image

import (
	"context"
	"errors"
	"os"

	"go.podman.io/image/v5/pkg/sysregistriesv2"
)

// StoreFacts are what info tells of the store.
type StoreFacts struct {
	// ConfigFile is the storage.conf that counts.
	ConfigFile string
	// Driver and Options are the storage driver's; Status its own words about the host.
	Driver  string
	Options map[string]any
	Status  map[string]string
	// TempDir is where large files are put for a while.
	TempDir string
	// Images is the number of images.
	Images int
}

// StoreFacts opens the store and asks it.
func (s *Service) StoreFacts(context.Context) (*StoreFacts, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	images, err := store.Images()
	if err != nil {
		return nil, err
	}
	f := &StoreFacts{Driver: store.GraphDriverName(), Options: map[string]any{}, Status: map[string]string{}, Images: len(images)}
	f.ConfigFile = configFile()
	for _, o := range store.GraphOptions() {
		f.Options[o] = true
	}
	status, err := store.Status()
	if err != nil {
		return nil, err
	}
	for _, kv := range status {
		f.Status[kv[0]] = kv[1]
	}
	f.TempDir, err = s.tempDir()
	return f, err
}

// configFile is the storage.conf that counts. Source: containers-storage.conf(5), "FILES".
func configFile() string {
	if path := os.Getenv("CONTAINERS_STORAGE_CONF"); path != "" {
		return path
	}
	for _, path := range []string{"/etc/containers/storage.conf", "/usr/share/containers/storage.conf"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// Registries are what registries.conf says: the registries for short names under "search", and
// a table for each registry that it names. No file at all is an empty answer.
func Registries() (map[string]any, error) {
	all := map[string]any{}
	search, err := sysregistriesv2.UnqualifiedSearchRegistries(nil)
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if len(search) > 0 {
		all["search"] = search
	}
	registries, err := sysregistriesv2.GetRegistries(nil)
	if err != nil {
		return nil, err
	}
	for _, r := range registries {
		all[r.Prefix] = r
	}
	return all, nil
}
