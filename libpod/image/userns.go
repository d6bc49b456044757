package image

import (
	"errors"
	"math"
	"os"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/idtools"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/idmap"
	"github.com/manager-project/manager/pkg/lookup"
)

// IDs are the maps of a container's user namespace. Both empty is the store's own.
type IDs struct{ UIDs, GIDs idmap.Map }

// AutoUserNS are the settings of storage.conf for namespaces that are made automatically.
// Source: containers-storage.conf(5), "auto-userns-min-size" and beside.
type AutoUserNS struct {
	// User is whose subordinate ids are given to root's containers.
	User string
	// Least and Most bound the number of ids that an image needs. Most is 0 for no bound.
	Least, Most uint32
}

// The settings where storage.conf has none.
const (
	autoUser  = "containers"
	autoLeast = 1024
	autoMost  = 65536
)

// AutoUserNS reads the settings.
func (s *Service) AutoUserNS() (AutoUserNS, error) {
	o, err := s.storeOptions()
	if err != nil {
		return AutoUserNS{}, err
	}
	a := AutoUserNS{User: o.RootAutoNsUser, Least: o.AutoNsMinSize, Most: o.AutoNsMaxSize}
	if a.User == "" {
		a.User = autoUser
	}
	if a.Least == 0 {
		a.Least = autoLeast
	}
	if a.Most == 0 {
		a.Most = autoMost
	}
	return a, nil
}

// UsedIDs are the maps of all containers in the store, other programs' too.
func (s *Service) UsedIDs() ([]IDs, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	all, err := store.Containers()
	if err != nil {
		return nil, storeReadError(err)
	}
	var out []IDs
	for i := range all {
		out = append(out, IDs{mapOf(all[i].UIDMap), mapOf(all[i].GIDMap)})
	}
	return out, nil
}

func mapOf(in []idtools.IDMap) idmap.Map {
	var m idmap.Map
	for _, r := range in {
		if r.ContainerID >= 0 && r.HostID >= 0 && r.Size > 0 && r.ContainerID+r.Size <= math.MaxUint32 && r.HostID+r.Size <= math.MaxUint32 {
			m = append(m, idmap.Range{ContainerID: uint32(r.ContainerID), HostID: uint32(r.HostID), Size: uint32(r.Size)})
		}
	}
	return m
}

func storeMap(m idmap.Map) []idtools.IDMap {
	var out []idtools.IDMap
	for _, r := range m {
		out = append(out, idtools.IDMap{ContainerID: int(r.ContainerID), HostID: int(r.HostID), Size: int(r.Size)})
	}
	return out
}

// mappingOptions are the store's words for maps.
func mappingOptions(ids IDs) storage.IDMappingOptions {
	return storage.IDMappingOptions{UIDMap: storeMap(ids.UIDs), GIDMap: storeMap(ids.GIDs)}
}

// IDsOf is how many ids from 0 on an image needs for the owners of its files and for the users that its passwd
// and group files name. The number of nobody (65534) does not count: it stands for what is not mapped.
func (s *Service) IDsOf(imageID string) (uint32, error) {
	store, err := s.Store()
	if err != nil {
		return 0, err
	}
	img, err := store.Image(imageID)
	if err != nil {
		return 0, failure("read", imageID, "", err)
	}
	most := uint32(0)
	note := func(id uint32) {
		if id != lookup.Nobody && id != math.MaxUint32 {
			most = max(most, id+1)
		}
	}
	for id := img.TopLayer; id != ""; {
		layer, err := store.Layer(id)
		if err != nil {
			return 0, failure("read", imageID, "", err)
		}
		for _, owner := range append(layer.UIDs, layer.GIDs...) {
			note(owner)
		}
		id = layer.Parent
	}
	if img.TopLayer == "" {
		return most, nil
	}
	err = s.withImage(store, imageID, func(root *os.File) error { return lookup.EachID(root, note) })
	return most, err
}

// withImage mounts an image for as long as f looks at it.
func (s *Service) withImage(store storage.Store, imageID string, f func(root *os.File) error) (err error) {
	path, err := store.MountImage(imageID, []string{"ro"}, "")
	if err != nil {
		return failure("mount", imageID, "", err)
	}
	defer func() {
		if _, e := store.UnmountImage(imageID, false); e != nil && !errors.Is(e, storage.ErrLayerNotMounted) {
			err = errors.Join(err, failure("unmount", imageID, "", e))
		}
	}()
	root, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return f(root)
}
