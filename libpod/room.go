package libpod

import (
	"path/filepath"

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
