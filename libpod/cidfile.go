package libpod

import (
	"errors"
	"io/fs"
	"os"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// cidFile is the file of --cidfile. It is made before anything else, so that a file that
// exists (it may belong to another container) or cannot be made stops the command in time.
// A nil one stands for no such option.
type cidFile struct{ file *os.File }

func openCIDFile(cfg *spec.Config) (*cidFile, error) {
	path := cfg.Life.CIDFile
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, &errdefs.Error{Op: "--cidfile", Name: path, Class: errdefs.ErrExists, Cause: errors.New("the file exists"), Hint: "remove it, or name another"}
	case err != nil:
		return nil, &errdefs.Error{Op: "--cidfile", Name: path, Class: errdefs.ErrInvalid, Cause: reasonOf(err), Hint: "name a file in a directory that exists"}
	}
	return &cidFile{f}, nil
}

// write writes the id once the container is there.
func (c *cidFile) write(id string) error {
	if c == nil {
		return nil
	}
	if _, err := c.file.WriteString(id); err != nil {
		return &errdefs.Error{Op: "--cidfile", Name: c.file.Name(), Class: errdefs.ErrUnavailable, Cause: reasonOf(err), Hint: "free space there"}
	}
	return nil
}

// close closes the file, and removes one that got no id.
func (c *cidFile) close(failed error) error {
	if c == nil {
		return nil
	}
	err := c.file.Close()
	if st, statErr := os.Lstat(c.file.Name()); failed != nil && statErr == nil && st.Size() == 0 {
		return os.Remove(c.file.Name())
	}
	return err
}

// reasonOf is what the kernel said, without the call and the path, which the message has already.
func reasonOf(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
