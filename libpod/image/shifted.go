package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
)

// shiftedPrefix is what the names of layers with other owners begin with.
const shiftedPrefix = "manager-shifted-"

// shiftedLayer is the metadata, once it is finished, of a layer that has an image's files with the owners of one user namespace: those
// containers share it whose namespaces are the same, as a user's with keep-id are. It lies over the image's top
// layer and goes with the image.
type shiftedLayer struct {
	Engine string `json:"engine"`
	// Shifted is the map, for people.
	Shifted string `json:"shifted"`
}

// CreateShiftedRootfs is CreateRootfs for drivers that cannot map (see CanMap): the layer lies over one whose files
// have been given to the ids of the container's namespace. That is made first if it is missing, which takes as long
// as copying the image does; no lock of the store is held meanwhile, and whoever wants the same layer waits.
//
// An image of another store, which this one does not see go, is given away in the container's own layer; so it is
// for a container whose map hardly another will have (alone). What a failure leaves is DeleteRootfs's: a layer that could
// not be removed is unknown to this process and still in the store.
func (s *Service) CreateShiftedRootfs(ctx context.Context, id, imageID string, ids IDs, opts RootfsOptions, alone bool, progress ProgressFunc) error {
	store, err := s.Store()
	if err != nil {
		return err
	}
	img, err := store.Image(imageID)
	if err != nil {
		return rootfsError("create", id, err)
	}
	if img.TopLayer == "" {
		return s.CreateRootfs(ctx, id, imageID, opts)
	}
	if alone || img.ReadOnly {
		if err := s.CreateRootfs(ctx, id, imageID, opts); err != nil {
			return err
		}
		return s.shiftRootfs(ctx, id, opts.ImageName, ids, progress)
	}
	base := shiftedID(img.TopLayer, ids)
	unlock, err := lockShifted(ctx, store, base)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.haveShifted(ctx, store, base, img.TopLayer, opts.ImageName, ids, progress); err != nil {
		return err
	}
	root := rootLayer(id)
	layer := hostLayer()
	layer.Volatile = opts.Volatile
	if _, err := store.CreateLayer(root, base, nil, opts.MountLabel, true, layer); err != nil {
		return rootfsError("create", id, err)
	}
	fault.Point("layer: over the shifted one")
	opts.layer = root
	return s.CreateRootfs(ctx, id, imageID, opts)
}

// haveShifted makes the layer, if it is not there or was not finished.
func (s *Service) haveShifted(ctx context.Context, store storage.Store, base, top, name string, ids IDs, progress ProgressFunc) error {
	if layer, err := store.Layer(base); err == nil {
		if isShifted(layer) {
			return nil
		}
		if _, err := store.Unmount(base, true); err != nil && !errors.Is(err, storage.ErrLayerNotMounted) {
			return rootfsError("unmount", base, err)
		}
		if err := deleteLayer(store, base); err != nil {
			return err
		}
	}
	if _, err := store.CreateLayer(base, top, []string{shiftedPrefix + base}, "", true, hostLayer()); err != nil {
		return rootfsError("create", base, err)
	}
	fault.Point("shifted layer: made")
	err := s.fillShifted(ctx, store, base, name, ids, progress)
	if err != nil {
		return errors.Join(err, deleteLayer(store, base))
	}
	return nil
}

// fillShifted gives the files away, and marks the layer when all of them are on disk.
func (s *Service) fillShifted(ctx context.Context, store storage.Store, base, name string, ids IDs, progress ProgressFunc) error {
	path, err := store.Mount(base, "")
	if err != nil {
		return rootfsError("mount", base, err)
	}
	err = shift(ctx, path, name, ids, progress)
	if err == nil {
		err = syncDir(path)
	}
	if _, e := store.Unmount(base, true); e != nil && !errors.Is(e, storage.ErrLayerNotMounted) {
		err = errors.Join(err, rootfsError("unmount", base, e))
	}
	if err != nil {
		return err
	}
	meta, err := json.Marshal(shiftedLayer{Engine: Engine, Shifted: "uids " + ids.UIDs.String() + " gids " + ids.GIDs.String()})
	if err != nil {
		return err
	}
	fault.Point("shifted layer: filled")
	return rootfsError("mark", base, store.SetMetadata(base, string(meta)))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return unix.Syncfs(int(dir.Fd()))
}

// isShifted says that a layer is a finished one of ours.
func isShifted(layer *storage.Layer) bool {
	var meta shiftedLayer
	return json.Unmarshal([]byte(layer.Metadata), &meta) == nil && meta.Engine == Engine && meta.Shifted != ""
}

// shiftedID is the id of the layer for a top layer and a map.
func shiftedID(top string, ids IDs) string {
	sum := sha256.Sum256([]byte(top + "\x00" + ids.UIDs.String() + "\x00" + ids.GIDs.String()))
	return hex.EncodeToString(sum[:])
}

// rootLayer is the id of the layer that is a container's root filesystem where the record's own is not.
func rootLayer(id string) string {
	sum := sha256.Sum256([]byte(id + "\x00root"))
	return hex.EncodeToString(sum[:])
}

// hostLayer are the options of a layer whose owners the driver leaves alone.
func hostLayer() *storage.LayerOptions {
	return &storage.LayerOptions{IDMappingOptions: storage.LayerIDMappingOptions{HostUIDMapping: true, HostGIDMapping: true}}
}

// lockShifted keeps others from making or removing the same layer. The file stays until the next boot.
func lockShifted(ctx context.Context, store storage.Store, base string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(store.RunRoot(), "manager-shifted-"+base[:16]+".lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	const tick = 20 * time.Millisecond
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(tick):
		}
	}
}

// dropShifted removes the layers with other owners over an image's top layer. One that a container uses stays.
func dropShifted(ctx context.Context, store storage.Store, top string) error {
	layers, err := store.Layers()
	if err != nil {
		return storeReadError(err)
	}
	parents := map[string]bool{}
	for i := range layers {
		parents[layers[i].Parent] = true
	}
	for i := range layers {
		layer := &layers[i]
		if top == "" || layer.Parent != top || parents[layer.ID] || !slices.Contains(layer.Names, shiftedPrefix+layer.ID) {
			continue
		}
		unlock, err := lockShifted(ctx, store, layer.ID)
		if err != nil {
			return err
		}
		_, err = store.Unmount(layer.ID, true) // one whose making was killed
		if err == nil || errors.Is(err, storage.ErrLayerNotMounted) {
			err = store.DeleteLayer(layer.ID)
		}
		unlock()
		if err != nil && !errors.Is(err, storage.ErrLayerHasChildren) && !errors.Is(err, storage.ErrLayerUnknown) && !errors.Is(err, storage.ErrNotALayer) {
			return &errdefs.Error{Op: "remove", Kind: "layer", Name: layer.ID, Class: errdefs.ErrUnavailable, Cause: err}
		}
	}
	return nil
}
