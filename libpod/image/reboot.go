package image

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/atomicfile"
)

// AfterReboot puts the store right at the first use after a boot. What the storage library writes without
// a sync, the list of mounts and the records of containers that --rm removes, may have been torn by a power
// cut, and the library then refuses the whole store; nothing of it is valid any more. The driver's
// directories of layers that are in no record go too, after their links were mended.
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
	if err := mendLinks(filepath.Join(opts.GraphRoot, "overlay")); err != nil {
		return err
	}
	store, err := s.Store()
	if err != nil {
		return err
	}
	return store.GarbageCollect()
}

// mendLinks gives a layer whose link file is empty after a power cut a new link. Such a layer is one that nobody was
// told of, and is removed next: but the library removes the link by its name, and with an empty name would take away
// the directory with the links of all layers. Source: go.podman.io/storage v1.64.2, drivers/overlay, removeCommon.
func mendLinks(home string) error {
	links, err := filepath.Glob(filepath.Join(home, "*", linkFile))
	if err != nil {
		return err
	}
	for _, file := range links {
		if st, err := os.Lstat(file); err != nil || !st.Mode().IsRegular() || st.Size() > 0 {
			continue
		}
		name := rand.Text()
		if err := os.Symlink(filepath.Join("..", filepath.Base(filepath.Dir(file)), "diff"), filepath.Join(home, "l", name)); err != nil {
			return err
		}
		if err := atomicfile.Write(file, []byte(name), 0o644, atomicfile.Durable); err != nil {
			return err
		}
	}
	return nil
}
