package image

import (
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/selinux"
)

// linksName is the overlay driver's directory of links, which is there before any layer.
const linksName = "l"

// labelLayers labels the directory of a new store's layers, so that containers may read what is below it: a file mounted through
// an overlay has the container's label, but the kernel looks at the layer's own file too when memory is protected. Policies
// do so for the usual places; this one may be anywhere. A store that has layers is left as it is.
func labelLayers(dir string) error {
	label := selinux.ReadOnlyFiles()
	if label == "" || selinux.TypeOf(selinux.Label(dir)) == selinux.TypeOf(label) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		//lint:ignore nilerr the driver has none, or it is not ours to read: nothing to label
		return nil
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != linksName {
			return nil
		}
	}
	if err := selinux.Set(filepath.Join(dir, linksName), label); err != nil && !os.IsNotExist(err) {
		return err
	}
	return selinux.Set(dir, label)
}

// LayersDir is the directory of the store's layers.
func (s *Service) LayersDir() (string, error) {
	store, err := s.Store()
	if err != nil {
		return "", err
	}
	return filepath.Join(store.GraphRoot(), store.GraphDriverName()), nil
}
