//go:build !lean

package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
)

// tempPrefix begins the names of the temporary directories in tempBase.
const tempPrefix = "manager-image-"

// scratch is a fresh directory that its maker holds a lock of: without one it was left by a process
// that was killed, and the next that makes one at the same place removes it.
type scratch struct {
	path string
	dir  *os.File
}

// newScratch makes a directory below base, whose name begins with the prefix.
func newScratch(base, prefix string) (*scratch, error) {
	sweepScratch(base, prefix)
	for {
		path, err := os.MkdirTemp(base, prefix)
		if err != nil {
			return nil, fmt.Errorf("temporary directory: %w", err)
		}
		dir, err := lockScratch(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // somebody who swept came in between
		}
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(path))
		}
		fault.Point("temporary directory: made")
		return &scratch{path, dir}, nil
	}
}

// remove removes the directory and what is in it.
func (s *scratch) remove() error {
	err := os.RemoveAll(s.path)
	return errors.Join(err, s.dir.Close())
}

// lockScratch opens a directory of ours that nobody holds, and takes its lock. One that is gone, or
// that somebody holds, is fs.ErrNotExist.
func lockScratch(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = unix.Fstat(int(dir.Fd()), &st)
	}
	if errors.Is(err, unix.EWOULDBLOCK) || err == nil && (st.Nlink == 0 || int(st.Uid) != os.Geteuid()) {
		err = os.ErrNotExist
	}
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

// sweepScratch removes the directories that killed processes left. What cannot be removed is the next
// one's affair.
func sweepScratch(base, prefix string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(base, e.Name())
		if dir, err := lockScratch(path); err == nil {
			_ = os.RemoveAll(path)
			_ = dir.Close()
		}
	}
}
