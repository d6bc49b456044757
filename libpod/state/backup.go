package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// backUp copies the file as a version before wrote it to PATH.version-N, for whoever has to go back to that version. Of
// several at once the first one's copy stays: it was made before any of them changed something.
func (s *Store) backUp(ctx context.Context, version int) error {
	path := fmt.Sprintf("%s.version-%d", s.path, version)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }()
	if err := part.Close(); err != nil {
		return err
	}
	// Source: sqlite.org/lang_vacuum.html, "VACUUM with an INTO clause": the file may be there when it is empty.
	if _, err := s.db.ExecContext(ctx, "VACUUM INTO ?", part.Name()); err != nil {
		return s.fail("back up", err)
	}
	if err := os.Link(part.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
