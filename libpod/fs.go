package libpod

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
)

func mkdir(path string) error {
	err := os.MkdirAll(path, 0o700)
	fault.Point("directory: made")
	return err
}

// removeAll removes a directory of ours; one that is not there is no error.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	// A monitor whose start was cut short may write a last file into its run directory as it goes.
	for wait := time.Millisecond; errors.Is(err, unix.ENOTEMPTY) && wait < time.Second; wait *= 2 {
		time.Sleep(wait)
		err = os.RemoveAll(path)
	}
	fault.Point("directory: removed")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// removeLocked removes a directory whose lock file the caller holds. Somebody who waits for the
// lock may make a new one as soon as this one has lost its name; that one, and the directory
// with it, is his. So nothing here is removed twice, as os.RemoveAll would.
func removeLocked(dir, lockFile string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); path != lockFile {
			if err := removeAll(path); err != nil {
				return err
			}
		}
	}
	for _, path := range []string{lockFile, dir} {
		err := os.Remove(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
	}
	fault.Point("directory: removed")
	return nil
}
