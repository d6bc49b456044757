package image

import "go.podman.io/storage/pkg/reexec"

// ReexecInit must be the first call of main. It returns true when this process was started
// by the storage library to extract or pack a layer inside a changed root directory; the
// work is then done and main must return.
//
// The library starts /proc/self/exe under one of five names: storage-applyLayer,
// storage-untar and storage-tar (all three change their root to the directory concerned
// before they look at the first name of an archive), storage-mountfrom (a mount whose
// options need short relative paths) and storage-chown-by-maps. Otherwise the call is one map lookup.
func ReexecInit() bool { return reexec.Init() }
