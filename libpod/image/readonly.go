package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"go.podman.io/storage"
	"golang.org/x/sys/unix"
)

// readable is Store for those who only read. The library cannot open a store on a file system that is read-only, as one becomes
// whose disk fails, but for an additional one: then that is what it is, of an empty store in the run directory.
func (s *Service) readable() (storage.Store, error) {
	store, err := s.Store()
	if !errors.Is(err, unix.EROFS) {
		return store, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view != nil {
		return s.view, nil
	}
	opts, optsErr := s.storeOptions()
	if optsErr != nil {
		return nil, optsErr
	}
	if _, statErr := os.Stat(filepath.Join(opts.GraphRoot, driverOverlay+"-images")); statErr != nil {
		return nil, err
	}
	opts.GraphDriverName = driverOverlay
	opts.GraphDriverOptions = append(slices.Clip(opts.GraphDriverOptions),
		driverOverlay+".imagestore="+opts.GraphRoot, driverOverlay+".skip_mount_home=true")
	opts.GraphRoot = filepath.Join(opts.RunRoot, "manager-read-only")
	opts.ImageStore = ""
	view, viewErr := storage.GetStore(opts)
	if viewErr != nil {
		return nil, errors.Join(err, viewErr)
	}
	s.view = view
	return view, nil
}
