// Package ground tells what the file system below a directory does not allow.
package ground

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Ground is a file system, as far as stores of images and programs mind.
type Ground struct {
	// Network names a file system of another machine, whose server decides who owns a file; "" for the others.
	Network string
	// Nested names one that the kernel's overlay must not be laid on; "" for the others.
	Nested string
	// NoExec says that it is mounted so that no program on it can be started.
	NoExec bool
}

// networks and nests name file systems by their magic numbers. Source: statfs(2), linux/magic.h; for the
// nests, what the storage library refuses.
var (
	networks = map[uint32]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB",
		unix.AFS_SUPER_MAGIC: "AFS", unix.AFS_FS_MAGIC: "AFS", unix.CEPH_SUPER_MAGIC: "Ceph", unix.CODA_SUPER_MAGIC: "Coda",
		unix.V9FS_MAGIC: "9P", unix.OCFS2_SUPER_MAGIC: "OCFS2", 0x47504653: "GPFS", 0x0BD00BD0: "Lustre", 0x19830326: "BeeGFS",
	}
	nests = map[uint32]string{unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.ECRYPTFS_SUPER_MAGIC: "ecryptfs", 0x61756673: "aufs"}
)

// Of looks at the file system of a directory, or of where it would be made. Errors are those of statfs.
func Of(dir string) (Ground, error) {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == unix.ENOENT && filepath.Dir(dir) != dir {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return Ground{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
		}
		magic := uint32(st.Type)
		return Ground{Network: networks[magic], Nested: nests[magic], NoExec: st.Flags&unix.ST_NOEXEC != 0}, nil
	}
}
