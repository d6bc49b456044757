package libcontainer

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// stateDir is a container's opened state directory: files in it are reached by its descriptor, so
// that the length of its name does not matter, and its lock is the descriptor's.
//
// The lock serialises what changes a container: create, start, pause, resume, update, delete. It is
// an flock of the directory, so the kernel frees it with its holder. Signals and queries take none.
type stateDir struct {
	*os.File
	path   string
	locked bool
	// wrote is the record that this process wrote last, written its text; nil for none.
	wrote   record
	written []byte
}

// openDir opens a container's directory. ErrNotFound if it is not there.
func openDir(path string) (*stateDir, error) {
	f, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|os.O_RDONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, notExist(filepath.Base(path))
	}
	if err != nil {
		return nil, err
	}
	return &stateDir{File: f, path: path}, nil
}

func notExist(id string) error {
	return errdefs.New(errdefs.ErrNotFound, "container", id, "container does not exist")
}

// lock waits for the directory's lock, at most the time given. ErrNotFound if the container was
// deleted meanwhile.
func (d *stateDir) lock(limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return err
		}
		if time.Now().After(deadline) {
			return errdefs.New(errdefs.ErrUnavailable, "container", filepath.Base(d.path), "another command is at work on it").
				WithHint("wait for it, or end it")
		}
		time.Sleep(pause)
	}
	d.locked = true
	// Whoever had the lock may have deleted the directory; its number is not used again while we hold it.
	var mine, named unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &mine); err != nil {
		return err
	}
	if err := unix.Stat(d.path, &named); err != nil || mine.Ino != named.Ino || mine.Dev != named.Dev {
		return notExist(filepath.Base(d.path))
	}
	return nil
}

// unlock gives the lock back; closing the directory does so too.
func (d *stateDir) unlock() {
	_ = unix.Flock(int(d.Fd()), unix.LOCK_UN)
	d.locked = false
}

// held says whether another process has the lock.
func (d *stateDir) held() bool {
	if d.locked {
		return false
	}
	err := unix.Flock(int(d.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		d.unlock()
	}
	return err == unix.EWOULDBLOCK
}
