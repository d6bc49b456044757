package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/ioutils"
)

// The storage library writes the list of mounts, which is void after a power cut, and the records of
// images by the same function, and syncs both: six times for a container that runs once, each a
// third of a millisecond or more, under the lock of all layers. The function's default is the only
// switch. Where a program works on containers alone it is turned off; layers and containers that
// must last are synced by options of their own. The first call that changes an image turns it on
// again, for good.

// relax turns the default off. s.mu is held.
func (s *Service) relax() {
	if !HasTransfers && !s.changing {
		ioutils.SetDefaultOptions(ioutils.AtomicFileWriterOptions{NoSync: true})
	}
}

// changeImages must be called before a record of an image is written. It must not be called while
// another goroutine of the process is at work on the store; the lean program, which alone has to
// call it, does one thing at a time.
func (s *Service) changeImages() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !HasTransfers && !s.changing {
		ioutils.SetDefaultOptions(ioutils.AtomicFileWriterOptions{})
	}
	s.changing = true
}

// syncLayers makes the library write a layer of an image to the disk before the record that says it is complete:
// a record that lasts longer than its layer would be found, and the layer never fetched again. The switch is the driver's
// and counts for every layer, so the lean program, which makes those of containers alone, does without it: see syncRootfs.
// What storage.conf says otherwise stays. Source: containers-storage.conf(5), "sync".
func syncLayers(opts *storage.StoreOptions) {
	switch opts.GraphDriverName {
	case "", "overlay": // vfs refuses its own option: it looks for it under a name that no option has
	default:
		return
	}
	said := slices.ContainsFunc(opts.GraphDriverOptions, func(o string) bool {
		key, _, _ := strings.Cut(o, "=")
		return strings.HasSuffix("."+strings.ToLower(key), ".sync")
	})
	if HasTransfers && !said {
		opts.GraphDriverOptions = append(slices.Clip(opts.GraphDriverOptions), "overlay.sync=filesystem")
	}
}

// linkFile has the short name by which a layer's directory is known to the overlay driver.
const linkFile = "link"

// syncRootfs writes to the disk what the driver notes of a container's layer. The directory itself is there once the
// layer's record is, which is synced after it. What the container writes is its own to sync.
func syncRootfs(store storage.Store, id string) error {
	if store.GraphDriverName() != "overlay" {
		return nil
	}
	for _, name := range []string{linkFile, "lower", "lower-layers"} {
		f, err := os.Open(filepath.Join(store.GraphRoot(), "overlay", id, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
