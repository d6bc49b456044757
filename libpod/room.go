package libpod

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/reserve"
)

// runReserve is the room in bytes that is kept on the disk of the run directory. It is for the store's
// list of mounts, 150 bytes each, which is written anew at each unmount, and for a few notes.
const runReserve = 256 << 10

func (p *paths) reserve() string { return filepath.Join(p.tmp, "reserve") }

// withRoom does what ends or removes something, and may be done twice. On a full disk it is done
// again with the room that was kept for that.
func (r *Runtime) withRoom(f func() error) error {
	err := f()
	if !reserve.Full(err) {
		return err
	}
	reserve.Spend(r.paths.reserve())
	r.state.SpendReserve()
	return f() // also when there was none: another process may have spent it a moment ago
}

// startInodes is how many files a disk must be able to take for a start: it makes a dozen in its run directory, and
// taking it back needs a few when they are all gone.
const startInodes = 32

// filesToStart fails when the disk of the run directories has no room for the files of one more. A disk that does not
// count files has always.
func (r *Runtime) filesToStart() error {
	var disk unix.Statfs_t
	if err := unix.Statfs(r.paths.tmp, &disk); err != nil || disk.Files == 0 || disk.Ffree >= startInodes {
		return err
	}
	return fmt.Errorf("run directory %s: its disk takes only %d more files: %w", r.paths.tmp, disk.Ffree, unix.ENOSPC)
}
