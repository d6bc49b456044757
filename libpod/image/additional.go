package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"go.podman.io/storage"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/rootless"
)

// Additional image stores (additionalimagestores in storage.conf) are read, and never written to: images
// that several users share, or that lie on a read-only disk. An image of one can be given other names, which
// puts a record of it, without its layers, into the user's own store; that record then hides the other.

// additionalStores are the directories of the additional stores that a driver's options name.
func additionalStores(options []string) []string {
	var dirs []string
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		if name = name[strings.LastIndexByte(name, '.')+1:]; name != "imagestore" && name != "additionalimagestore" {
			continue
		}
		for dir := range strings.SplitSeq(value, ",") {
			if dir != "" {
				dirs = append(dirs, filepath.Clean(dir))
			}
		}
	}
	return dirs
}

// unreadable is the one of the stores that the error refuses to read, or "".
func unreadable(err error, stores []string) string {
	var p *fs.PathError
	if !errors.As(err, &p) || !errors.Is(p, fs.ErrPermission) {
		return ""
	}
	for _, dir := range stores {
		if strings.HasPrefix(p.Path, dir+"/") {
			return dir
		}
	}
	return ""
}

// allImages are the images of all stores, without those that a record of the user's own store hides.
func allImages(store storage.Store) ([]storage.Image, error) {
	all, err := store.Images()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(all))
	kept := all[:0]
	for _, img := range all { // the own store comes first
		if !seen[img.ID] {
			kept = append(kept, img)
		}
		seen[img.ID] = true
	}
	return kept, nil
}

// readOnlyError says why an image of an additional store is not removed.
func (s *Service) readOnlyError(img Image, name string) error {
	e := errdefs.New(errdefs.ErrUnsupported, "image", name, "it lies in a read-only store")
	opts, err := s.storeOptions()
	if err != nil {
		return e
	}
	for _, dir := range additionalStores(opts.GraphDriverOptions) {
		if _, err := os.Stat(filepath.Join(dir, driverOverlay+"-images", img.ID)); err == nil {
			return errdefs.New(errdefs.ErrUnsupported, "image", name, "it lies in the read-only store %s", dir).
				WithHint("take that store out of additionalimagestores in %s, or let its owner remove the image with --root %s", userStorageConf(rootless.Active()), dir)
		}
	}
	return e
}

// deletedAbove says that the image's own record and layers are gone, and that the library only failed to remove
// layers that lie in an additional store.
func deletedAbove(store storage.Store, img Image, err error) bool {
	if !errors.Is(err, storage.ErrLayerUnknown) {
		return false
	}
	rec, err := store.Image(img.ID)
	return errors.Is(err, storage.ErrImageUnknown) || err == nil && rec.ReadOnly
}

// ownDirectories makes the container's layer hold an own, empty copy of each directory of an image whose files
// belong to ids that the user's namespace does not know, as those in a store of root's do. Over such a
// directory not even the container's root has a right, so that no mount point and no file could be made in it.
// What is in the image's directories shows through.
func ownDirectories(store storage.Store, id string) error {
	if !rootless.Active() || len(additionalStores(store.GraphOptions())) == 0 {
		return nil
	}
	layer, err := store.Layer(id)
	if err != nil || layer.Parent == "" {
		return err
	}
	if below, err := store.Layer(layer.Parent); err != nil || !below.ReadOnly {
		return err
	}
	driver, err := store.GraphDriver()
	if err != nil || driver.String() != driverOverlay {
		return err // vfs has copied them
	}
	meta, err := driver.Metadata(id)
	if err != nil {
		return err
	}
	upper, err := os.OpenRoot(meta["UpperDir"])
	if err != nil {
		return err
	}
	defer func() { _ = upper.Close() }()
	m := mirror{upper: upper, settled: map[string]bool{}}
	for lower := range strings.SplitSeq(meta["LowerDir"], ":") {
		if err := filepath.WalkDir(lower, func(path string, d fs.DirEntry, err error) error { return m.visit(lower, path, d, err) }); err != nil {
			return err
		}
	}
	return nil
}

// mirror copies directories into a layer, from the uppermost layer below it to the lowest.
type mirror struct {
	upper *os.Root
	// settled says of a path, relative to the root, whether the layers so far show a directory there.
	settled map[string]bool
}

func (m *mirror) visit(lower, path string, d fs.DirEntry, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return nil // the container cannot look into it either
	}
	if err != nil {
		return err
	}
	name, err := filepath.Rel(lower, path)
	if err != nil {
		return err
	}
	directory, known := m.settled[name]
	switch {
	case known && !directory:
		if d.IsDir() {
			return fs.SkipDir // a layer above has something else there, or a whiteout
		}
		return nil
	case !known:
		m.settled[name] = d.IsDir()
	}
	if known || !d.IsDir() {
		return nil
	}
	return m.copy(name, d)
}

// copy makes one directory. Ids that the namespace knows stay, all others become its root.
func (m *mirror) copy(name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok, name == "." && st.Uid != overflowID:
		return fs.SkipAll // the store's ids are the user's
	case name != ".":
		if err := m.upper.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	uid, gid := int(st.Uid), int(st.Gid)
	if uid == overflowID {
		uid = 0
	}
	if gid == overflowID {
		gid = 0
	}
	if err := m.upper.Lchown(name, uid, gid); err != nil {
		return err
	}
	return m.upper.Chmod(name, info.Mode()) // Mkdir heeds the umask and knows no sticky bit
}

// overflowID is what the kernel shows for an id that the namespace does not know. Source: user_namespaces(7),
// "Unmapped user and group IDs"; /proc/sys/kernel/overflowuid, which nobody changes.
const overflowID = 65534
