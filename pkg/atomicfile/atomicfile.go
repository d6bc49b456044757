// Package atomicfile replaces whole files so that a reader, or a crash at any
// moment, sees the old content or the new, never a part.
package atomicfile

import (
	"os"
	"path/filepath"

	"github.com/manager-project/manager/internal/fault"
)

// Durability says whether the content must survive a power cut.
type Durability int

const (
	// Volatile content may be lost with the machine: run-time state.
	Volatile Durability = iota
	// Durable content is synced, file and directory, before Write returns.
	Durable
)

// Write replaces the file at path with data. The temporary file lies beside it.
func Write(path string, data []byte, perm os.FileMode, d Durability) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	name := filepath.Base(path)
	fault.Point("file " + name + ": begun")
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(perm); err != nil {
		return err
	}
	if d == Durable {
		if err = f.Sync(); err != nil {
			return err
		}
	}
	if err = f.Close(); err != nil {
		return err
	}
	fault.Point("file " + name + ": written")
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	fault.Point("file " + name + ": in place")
	if d == Durable {
		return syncDir(filepath.Dir(path))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
