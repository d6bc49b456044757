package libpod

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/state"
)

// A stored "stopping" counts only while somebody waits for the end: every stop holds a shared
// lock on a file in the run directory meanwhile. One that is killed leaves a running container.

func (p *paths) stopFile(id string) string { return filepath.Join(p.runDir(id), "stop.lock") }

// holdStop says that a stop is under way, until the caller closes the file or dies.
func (r *Runtime) holdStop(id string) (*os.File, error) {
	f, err := os.OpenFile(r.paths.stopFile(id), os.O_RDONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	// Whoever asks holds an exclusive lock for a moment: this does not wait longer than that.
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// stopUnderWay reports whether any stop of the container waits for its end.
func (r *Runtime) stopUnderWay(id string) bool {
	f, err := os.OpenFile(r.paths.stopFile(id), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// forgetStop makes "stopping" that nobody pursues "running" again in a picture of a container.
func (r *Runtime) forgetStop(row *state.Row) {
	if row.State.Status == define.StatusStopping && !r.stopUnderWay(row.ID) {
		row.State.Status = define.StatusRunning
	}
}
