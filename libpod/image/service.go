package image

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/sirupsen/logrus"
	"go.podman.io/storage"
	storagetypes "go.podman.io/storage/types"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/ground"
	"github.com/manager-project/manager/pkg/rootless"
)

// OpenOptions says where the store and the configuration files are. The zero value means
// the usual places of Podman: storage.conf(5), containers-registries.conf(5),
// containers-policy.json(5) and containers-auth.json(5).
type OpenOptions struct {
	// GraphRoot is the directory of images, layers and containers. "" means storage.conf's.
	GraphRoot string
	// RunRoot is the directory of what does not outlive a boot. "" means storage.conf's.
	RunRoot string
	// Driver is the storage driver: "overlay" or "vfs". "" means storage.conf's, and overlay without one there.
	Driver string
	// DriverOptions are the driver's options, "overlay.key=value". With Driver or
	// DriverOptions set, those of storage.conf do not count.
	DriverOptions []string
	// ImageStore is a directory for images apart from GraphRoot. "" means none.
	ImageStore string
	// TransientStore keeps container records in RunRoot.
	TransientStore bool
	// SignaturePolicyPath is the policy.json to use. "" means the usual places, and
	// without a file there, to accept any image.
	SignaturePolicyPath string
	// RegistriesConf is the registries.conf to use. "" means the usual places.
	RegistriesConf string
	// RegistriesConfDir is the directory of additional registries files. "" means the usual one.
	RegistriesConfDir string
	// AuthFile holds credentials of registries. "" means $REGISTRY_AUTH_FILE, then the usual places.
	AuthFile string
	// TempDir is where large files are put for a while. "" means $TMPDIR, then /var/tmp.
	TempDir string
	// Builtin returns the archive of the image BuiltinName. Nil means that there is none.
	Builtin func() ([]byte, error)
	// Changed is told of what was done to images. Nil means that nobody asks.
	Changed func(Change)
}

// Change is something that was done to an image.
type Change struct {
	// What is one of pkg/eventlog's words for images.
	What string
	// ID is the image's full id, "" when it is not known.
	ID string
	// Name is the name that was given, taken, fetched or sent; the id when there is none.
	Name string
	// Err is why it failed; nil when it did not.
	Err error
}

// changed tells of a change.
func (s *Service) changed(what, id, name string, err error) {
	if s.opts.Changed == nil {
		return
	}
	if name == "" {
		name = id
	}
	s.opts.Changed(Change{What: what, ID: id, Name: name, Err: err})
}

// Service works on the images of one store. It is safe for concurrent use.
type Service struct {
	opts OpenOptions

	mu    sync.Mutex
	store storage.Store
	// view shows a store that cannot be written to: see readable.
	view storage.Store
	// changing says that images are changed too: see changeImages.
	changing bool
}

// Open prepares a service. It reads and writes nothing: the store is opened by the first
// operation that needs it, so that errors of the store's files show there.
func Open(opts OpenOptions) (*Service, error) {
	return &Service{opts: opts}, nil
}

// Store opens the store, once, and returns it. The service keeps ownership.
// Errors: ErrPermission when its directories cannot be used, ErrInvalid for bad
// options, ErrUnavailable for a driver that does not work here.
func (s *Service) Store() (storage.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		return s.store, nil
	}
	opts, err := s.storeOptions()
	if err != nil {
		return nil, err
	}
	g, err := ground.Of(opts.GraphRoot)
	if err != nil {
		return nil, storeOpenError(&opts, err)
	}
	if err := settleDriver(&opts, g, rootless.Active()); err != nil {
		return nil, err
	}
	store, err := storage.GetStore(opts)
	if err != nil {
		return nil, storeOpenError(&opts, err)
	}
	if opts.GraphDriverName == "" && store.GraphDriverName() == driverVFS {
		logrus.Warnf("image store %s: of the drivers in storage.conf's driver_priority only vfs works here, which copies a whole image for each container; install %s", opts.GraphRoot, fuseOverlay)
	}
	s.store = store
	s.relax()
	// If they cannot be labelled, that is told when a container is made.
	_ = labelLayers(filepath.Join(store.GraphRoot(), store.GraphDriverName()))
	return store, nil
}

// Close lets the store go. Mounts stay: they belong to containers, of this program or others.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, store := range []*storage.Store{&s.store, &s.view} {
		if *store != nil {
			(*store).Free()
			*store = nil
		}
	}
	return nil
}

// storeOptions lays the caller's options over storage.conf.
func (s *Service) storeOptions() (storage.StoreOptions, error) {
	opts, err := storagetypes.DefaultStoreOptions()
	if err != nil {
		return opts, &errdefs.Error{Op: "read storage.conf", Class: errdefs.ErrInvalid, Cause: err}
	}
	if s.opts.GraphRoot != "" {
		opts.GraphRoot = s.opts.GraphRoot
	}
	if s.opts.RunRoot != "" {
		opts.RunRoot = s.opts.RunRoot
	}
	if s.opts.ImageStore != "" {
		opts.ImageStore = s.opts.ImageStore
	}
	if s.opts.Driver != "" {
		opts.GraphDriverName = s.opts.Driver
		opts.GraphDriverOptions = nil
	}
	if len(s.opts.DriverOptions) > 0 {
		opts.GraphDriverOptions = s.opts.DriverOptions
	}
	if s.opts.TransientStore {
		opts.TransientStore = true
	}
	syncLayers(&opts)
	return opts, nil
}

// storeOpenError gives the failure to open a store its class.
func storeOpenError(opts *storage.StoreOptions, err error) error {
	e := &errdefs.Error{Op: "open", Kind: "image store", Name: opts.GraphRoot, Class: errdefs.ErrUnavailable, Cause: err, Hint: driverHint(err.Error())}
	if path := unreadable(err, additionalStores(opts.GraphDriverOptions)); path != "" {
		e.Name, e.Class = path, errdefs.ErrPermission
		e.Cause = errors.New("this additional, read-only store cannot be read")
		e.Hint = "let its owner run \"chmod -R go+rX " + path + "\", or take it out of additionalimagestores in " + userStorageConf(rootless.Active())
		return e
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		e.Class = errdefs.ErrPermission
	case errors.Is(err, storage.ErrIncompleteOptions):
		e.Class = errdefs.ErrInvalid
	}
	return e
}

// tempBase is where temporary directories for large files are made.
func (s *Service) tempBase() string {
	for _, base := range []string{s.opts.TempDir, os.Getenv("TMPDIR")} {
		if base != "" {
			return base
		}
	}
	return "/var/tmp"
}
