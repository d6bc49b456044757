package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/reserve"
)

// Engine marks the container records of this program in the shared store.
const Engine = "manager"

// RootfsOptions says how a container's root filesystem is made. The zero value is an
// ordinary one in the store's own id mapping.
type RootfsOptions struct {
	// Name is the container's name, for other programs that list the store. It is kept in
	// the record's metadata and not as a name of the store, so it never clashes there.
	Name string
	// ImageName is the name by which the user chose the image.
	ImageName string
	// Volatile drops all syncs: for containers that do not outlive their run (--rm).
	Volatile bool
	// ProcessLabel and MountLabel are SELinux labels of the container and of the mount. Both "" means a container without a
	// label of its own: then the mount has one that no other may use, as far as the policy has such a thing.
	ProcessLabel, MountLabel string
	// IDs are the container's user namespace, for drivers that can map (CanMap); the zero value is the store's.
	IDs IDs
	// StorageOpts are the driver's options of one layer: "size", "inodes".
	StorageOpts map[string]string
	// MountOptions are additional options of every mount.
	MountOptions []string

	layer string // a layer made before, which is the root filesystem
}

// rootfsMetadata is the text of a container's record in the store. The keys are those that
// Podman reads; "engine" makes ours recognisable.
type rootfsMetadata struct {
	Engine     string `json:"engine"`
	ImageName  string `json:"image-name"`
	ImageID    string `json:"image-id"`
	Name       string `json:"name"`
	CreatedAt  int64  `json:"created-at"`
	MountLabel string `json:"mountlabel,omitempty"`
	// Layer is the root filesystem where the record's own layer is not, see CreateShiftedRootfs.
	Layer string `json:"layer,omitempty"`
}

// CreateRootfs makes a read-write layer over the image's top layer and records it under
// the container's id. imageID "" makes an empty root filesystem.
// Errors: ErrExists when the id is taken, ErrNotFound when the image is gone.
func (s *Service) CreateRootfs(ctx context.Context, id, imageID string, opts RootfsOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	store, err := s.Store()
	if err != nil {
		return err
	}
	meta, err := json.Marshal(rootfsMetadata{
		Engine: Engine, ImageName: opts.ImageName, ImageID: imageID, Name: opts.Name,
		CreatedAt: time.Now().Unix(), MountLabel: opts.MountLabel, Layer: opts.layer,
	})
	if err != nil {
		return err
	}
	copts := &storage.ContainerOptions{
		IDMappingOptions: mappingOptions(opts.IDs), Volatile: opts.Volatile,
		StorageOpt: opts.StorageOpts, MountOpts: opts.MountOptions,
		Flags: map[string]any{"ProcessLabel": opts.ProcessLabel, "MountLabel": opts.MountLabel},
	}
	if opts.ProcessLabel == "" {
		// The store makes a pair of labels by itself where it is given none.
		copts.Flags, copts.LabelOpts = nil, []string{"disable"}
	}
	// The layer has the container's id, so that it is found when a kill comes before the record.
	_, err = store.CreateContainer(id, nil, imageID, id, string(meta), copts)
	if err == nil && !opts.Volatile {
		err = syncRootfs(store, id)
	}
	fault.Point("layer: made")
	if err == nil {
		err = ownDirectories(store, id)
	}
	return rootfsError("create", id, err)
}

// MountRootfs mounts the container's root filesystem and returns its absolute path. Each
// call must be met by one UnmountRootfs.
func (s *Service) MountRootfs(id string) (string, error) {
	store, err := s.Store()
	if err != nil {
		return "", err
	}
	ctr, err := s.ours(store, id)
	if err != nil {
		return "", err
	}
	path, err := store.Mount(rootOf(ctr), ctr.MountLabel())
	fault.Point("layer: mounted")
	return path, rootfsError("mount", id, err)
}

// UnmountRootfs takes back one MountRootfs. With none left it does nothing.
func (s *Service) UnmountRootfs(id string) error {
	store, err := s.Store()
	if err != nil {
		return err
	}
	ctr, err := s.ours(store, id)
	if err != nil {
		return err
	}
	_, err = store.Unmount(rootOf(ctr), false)
	if errors.Is(err, storage.ErrLayerNotMounted) {
		return nil
	}
	return rootfsError("unmount", id, err)
}

// DeleteRootfs unmounts and removes the container's root filesystem and record. It does
// nothing when they are gone already.
func (s *Service) DeleteRootfs(id string) error {
	store, err := s.Store()
	if err != nil {
		return err
	}
	ctr, err := s.ours(store, id)
	if errors.Is(err, errdefs.ErrNotFound) {
		return errors.Join(deleteLayer(store, id), deleteLayer(store, rootLayer(id)))
	}
	if err != nil {
		return err
	}
	root := rootOf(ctr)
	_, err = store.Unmount(root, true)
	// A removal that was killed may have come as far as the layer: the record goes after it.
	if err != nil && !errors.Is(err, storage.ErrLayerNotMounted) && !errors.Is(err, storage.ErrLayerUnknown) {
		return rootfsError("unmount", id, err)
	}
	fault.Point("layer: unmounted")
	if root != ctr.ID {
		if err := deleteLayer(store, root); err != nil {
			return err
		}
		fault.Point("layer: root removed")
	}
	err = store.DeleteContainer(ctr.ID)
	fault.Point("layer: removed")
	if errors.Is(err, storage.ErrContainerUnknown) || errors.Is(err, storage.ErrNotAContainer) {
		return nil
	}
	return rootfsError("remove", id, err)
}

// deleteLayer removes the layer that a killed CreateRootfs or DeleteRootfs left without a record.
func deleteLayer(store storage.Store, id string) error {
	err := store.DeleteLayer(id)
	if errors.Is(err, storage.ErrNotALayer) || errors.Is(err, storage.ErrLayerUnknown) {
		return nil
	}
	return rootfsError("remove", id, err)
}

// ours finds a container's record by full id and refuses those of other programs.
func (s *Service) ours(store storage.Store, id string) (*storage.Container, error) {
	ctr, err := store.Container(id)
	if err != nil {
		return nil, rootfsError("", id, err)
	}
	if ctr.ID != id {
		return nil, rootfsError("", id, storage.ErrContainerUnknown)
	}
	if !isOurs(ctr) {
		return nil, errdefs.New(errdefs.ErrState, "container", id, "it belongs to another program")
	}
	return ctr, nil
}

// isOurs says whether this program made the record.
func isOurs(ctr *storage.Container) bool {
	var meta rootfsMetadata
	return json.Unmarshal([]byte(ctr.Metadata), &meta) == nil && meta.Engine == Engine
}

// metadataOf reads what CreateRootfs wrote.
func metadataOf(ctr *storage.Container) (meta rootfsMetadata) {
	_ = json.Unmarshal([]byte(ctr.Metadata), &meta)
	return meta
}

// layerOf is the layer with the container's root filesystem.
func layerOf(ctr *storage.Container) string {
	if layer := metadataOf(ctr).Layer; layer != "" {
		return layer
	}
	return ctr.LayerID
}

// rootOf is what the store mounts for the container: its record, or a layer.
func rootOf(ctr *storage.Container) string {
	if layer := metadataOf(ctr).Layer; layer != "" {
		return layer
	}
	return ctr.ID
}

// rootfsError gives the store's errors about containers their class.
func rootfsError(op, id string, err error) error {
	if err == nil {
		return nil
	}
	e := &errdefs.Error{Op: op, Kind: "root filesystem of", Name: id, Class: errdefs.ErrUnavailable, Cause: err}
	switch {
	case errors.Is(err, storage.ErrContainerUnknown), errors.Is(err, storage.ErrImageUnknown), errors.Is(err, storage.ErrLayerUnknown):
		e.Class = errdefs.ErrNotFound
	case errors.Is(err, storage.ErrDuplicateID), errors.Is(err, storage.ErrDuplicateName):
		e.Class = errdefs.ErrExists
	}
	e.Cause = fmt.Errorf("%w", oneLine(err))
	if fuse := fuseMissing(err); fuse != nil {
		e.Cause, e.Hint = fuse, fuseHint
	}
	if reserve.Full(err) {
		e.Hint = "free space there"
	}
	return e
}

// ReleaseRootfs takes back every MountRootfs, also those of programs that were killed, and
// detaches what is busy. Not being mounted, or not being there, is no error.
func (s *Service) ReleaseRootfs(id string) error {
	store, err := s.Store()
	if err != nil {
		return err
	}
	ctr, err := s.ours(store, id)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = store.Unmount(rootOf(ctr), true)
	// A removal that was killed may have come as far as the layer: the record goes after it.
	if err != nil && !errors.Is(err, storage.ErrLayerNotMounted) && !errors.Is(err, storage.ErrLayerUnknown) {
		return rootfsError("unmount", id, err)
	}
	fault.Point("layer: released")
	return nil
}

// RootfsSize returns the bytes of the container's own layer, and of all its layers.
func (s *Service) RootfsSize(id string) (own, all int64, err error) {
	store, err := s.Store()
	if err != nil {
		return 0, 0, err
	}
	ctr, err := s.ours(store, id)
	if err != nil {
		return 0, 0, err
	}
	own, err = store.DiffSize("", layerOf(ctr))
	if err != nil {
		return 0, 0, rootfsError("measure", id, err)
	}
	all = own
	if ctr.ImageID != "" {
		size, err := store.ImageSize(ctr.ImageID)
		if err != nil {
			return 0, 0, rootfsError("measure", id, err)
		}
		all += size
	}
	return own, all, nil
}

// DiffRootfs returns what the container changed in its image's root filesystem, as a layer: a tar file with
// whiteouts. The caller closes it.
func (s *Service) DiffRootfs(id string) (io.ReadCloser, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	ctr, err := s.ours(store, id)
	if err != nil {
		return nil, err
	}
	plain := archive.Uncompressed
	diff, err := store.Diff("", layerOf(ctr), &storage.DiffOptions{Compression: &plain})
	return diff, rootfsError("compare", id, err)
}

// RootfsDirs returns the directories of the storage driver for the container's layer, by the
// names that inspect prints (LowerDir, UpperDir, …), and the driver's name.
func (s *Service) RootfsDirs(id string) (driver string, dirs map[string]string, err error) {
	store, err := s.Store()
	if err != nil {
		return "", nil, err
	}
	ctr, err := s.ours(store, id)
	if err != nil {
		return "", nil, err
	}
	d, err := store.GraphDriver()
	if err != nil {
		return "", nil, err
	}
	dirs, err = d.Metadata(layerOf(ctr))
	return store.GraphDriverName(), dirs, err
}

// MountLabels are the SELinux labels with which layers of the store are mounted, those of other programs among them.
func (s *Service) MountLabels() ([]string, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	layers, err := store.Layers()
	if err != nil {
		return nil, storeReadError(err)
	}
	var labels []string
	for i := range layers {
		if label := layers[i].MountLabel; label != "" {
			labels = append(labels, label)
		}
	}
	return labels, nil
}
