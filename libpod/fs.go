package libpod

import (
	"errors"
	"os"

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
	fault.Point("directory: removed")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
