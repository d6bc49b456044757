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
	"regexp"
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

// volumeName is what VolumeName makes.
var volumeName = regexp.MustCompile(`^(0|[1-9][0-9]{0,2})\.tar$`)

// imageName is what CRIU calls its files, and runtimes theirs beside them.
var imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$`)

// allowed says whether an archive may have an entry of that name.
func allowed(name string) bool {
	if name == RootfsName {
		return true
	}
	dir, base, ok := strings.Cut(name, "/")
	if dir == VolumesDir {
		return ok && volumeName.MatchString(base)
	}
	return ok && (dir == ImagesDir || dir == PreDir) && imageName.MatchString(base)
}

// sum is an entry of digests.json.
type sum struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}
