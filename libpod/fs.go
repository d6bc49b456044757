package libpod

import (
	"errors"
	"os"
)

func mkdir(path string) error { return os.MkdirAll(path, 0o700) }

// removeAll removes a directory of ours; one that is not there is no error.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
