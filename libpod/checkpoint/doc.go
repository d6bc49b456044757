// Package checkpoint writes and reads archives of checkpoints: tar files, mostly compressed, with
//
//	config.json           what the caller wants to know of the container; first
//	checkpoint/NAME       CRIU's images, or
//	pre-checkpoint/NAME   those of a dump of memory only
//	rootfs-diff.tar       what changed in the root filesystem, as a layer
//	volumes/N.tar         what is in the container's volume N
//	digests.json          size and SHA-256 of each entry before it; last
//
// An archive may be a stranger's. Only regular files of these names are let through, each once, into a fresh
// directory; sizes and numbers are bounded, and an archive that ends early, or whose content is not
// what it says, is refused. What it holds is not judged here: CRIU does to the machine what the images
// say, so whoever restores an archive has to trust its maker as much as root.
package checkpoint

import (
	"strconv"
	"strings"
)

// The names of an archive's parts.
const (
	ConfigName  = "config.json"
	ImagesDir   = "checkpoint"
	PreDir      = "pre-checkpoint"
	RootfsName  = "rootfs-diff.tar"
	digestsName = "digests.json"
)

// The bounds of an archive.
const (
	// maxConfig and maxDigests bound what is read into memory, in bytes.
	maxConfig  = 4 << 20
	maxDigests = 32 << 20
	// maxEntries is above what a dump of thousands of processes has.
	maxEntries = 1 << 16
)

// VolumesDir has the volumes' content.
const VolumesDir = "volumes"

// MaxVolumes bounds the volumes of a container in an archive.
const MaxVolumes = 1000

// VolumeName is the entry of a volume, counted from 0.
func VolumeName(n int) string { return VolumesDir + "/" + strconv.Itoa(n) + ".tar" }

// isVolumeName says whether a name is one that VolumeName makes, without the folder.
func isVolumeName(base string) bool {
	n, err := strconv.Atoi(strings.TrimSuffix(base, ".tar"))
	return err == nil && n >= 0 && n < MaxVolumes && VolumeName(n) == VolumesDir+"/"+base
}

// isImageName says whether a name may be one of CRIU's files, or of a runtime's beside them.
func isImageName(base string) bool {
	const longest = 201
	if len(base) == 0 || len(base) > longest {
		return false
	}
	for i, c := range []byte(base) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// allowed says whether an archive may have an entry of that name.
func allowed(name string) bool {
	if name == RootfsName {
		return true
	}
	dir, base, ok := strings.Cut(name, "/")
	if dir == VolumesDir {
		return ok && isVolumeName(base)
	}
	return ok && (dir == ImagesDir || dir == PreDir) && isImageName(base)
}

// sum is an entry of digests.json.
type sum struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}
