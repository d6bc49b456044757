package libpod

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/idmap"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// usernsFacts are what decisions on user namespaces need. Nothing is read before it is asked for.
func usernsFacts(h *spec.Host) {
	h.UID, h.GID = uint32(rootless.UID()), uint32(rootless.GID())
	h.OwnIDs = func() (uids, gids idmap.Map, err error) { return mapsOf("self") }
	h.Subids = subids
	h.NamespaceIDs = namespaceIDs
}

// mapsOf reads the maps of a process's user namespace, as they look from here. Source: user_namespaces(7).
func mapsOf(pid string) (uids, gids idmap.Map, err error) {
	uids, err = readMap(filepath.Join("/proc", pid, "uid_map"))
	if err == nil {
		gids, err = readMap(filepath.Join("/proc", pid, "gid_map"))
	}
	return uids, gids, err
}

func readMap(path string) (idmap.Map, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var m idmap.Map
	s := bufio.NewScanner(f)
	for s.Scan() {
		var r idmap.Range
		if _, err := fmt.Sscan(s.Text(), &r.ContainerID, &r.HostID, &r.Size); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		m = append(m, r)
	}
	return m, s.Err()
}

// subidFile is where the host says which ids a name may map. Source: subuid(5).
func subidFile(kind idmap.Kind) string {
	if kind == idmap.GIDs {
		return "/etc/subgid"
	}
	return "/etc/subuid"
}

func subids(kind idmap.Kind, name string) ([]idmap.Span, error) {
	ranges, err := rootless.Subids(subidFile(kind), name)
	if err != nil {
		return nil, err
	}
	spans := make([]idmap.Span, len(ranges))
	for i, r := range ranges {
		spans[i] = idmap.Span{First: r.First, Size: uint64(r.Size)}
	}
	return spans, nil
}

// namespaceIDs are the maps of a user namespace. The kernel tells them only of a process that lives in it.
func namespaceIDs(path string) (uids, gids idmap.Map, err error) {
	want, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if own, err := os.Stat("/proc/self/ns/user"); err == nil && os.SameFile(want, own) {
		return nil, nil, errors.New("it is the namespace that is used anyway; write host")
	}
	files, err := filepath.Glob("/proc/[0-9]*/ns/user")
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		// Processes come and go, and others' cannot be looked at.
		info, err := os.Stat(file)
		if err != nil || !os.SameFile(want, info) {
			continue
		}
		uids, gids, err = mapsOf(filepath.Base(filepath.Dir(filepath.Dir(file))))
		if err == nil && len(uids) > 0 && len(gids) > 0 || !errors.Is(err, fs.ErrNotExist) {
			return uids, gids, err
		}
	}
	return nil, nil, errors.New("no process is in that user namespace, so what it maps cannot be known")
}
