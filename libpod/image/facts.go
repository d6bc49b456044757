package image

import (
	"context"
	"os"
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
	store, err := s.readable()
	if err != nil {
		return nil, err
	}
	images, err := allImages(store)
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
	f.TempDir = s.tempBase()
	return f, nil
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
