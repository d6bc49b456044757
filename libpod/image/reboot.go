package image

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// AfterReboot puts the store right at the first use after a boot. What the storage library writes without
// a sync, the list of mounts and the records of containers that --rm removes, may have been torn by a power
// cut, and the library then refuses the whole store; nothing of it is valid any more. The driver's
// directories of layers that are in no record go too.
func (s *Service) AfterReboot() error {
	opts, err := s.storeOptions()
	if err != nil {
		return err
	}
	for _, pattern := range []string{
		filepath.Join(opts.RunRoot, "*-layers", "mountpoints.json"),
		filepath.Join(opts.GraphRoot, "*-layers", "volatile-layers.json"),
		filepath.Join(opts.GraphRoot, "*-containers", "volatile-containers.json"),
	} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err == nil && !json.Valid(text) {
				err = os.Remove(file)
			}
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	store, err := s.Store()
	if err != nil {
		return err
	}
	return store.GarbageCollect()
}
