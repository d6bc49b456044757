// Package atomicfile replaces whole files so that a reader, or a crash at any
// moment, sees the old content or the new, never a part.
package atomicfile

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
)

// Durability says whether the content must survive a power cut.
type Durability int

const (
	// Volatile content may be lost with the machine: run-time state.
	Volatile Durability = iota
	// Durable content is synced, file and directory, before Write returns.
	Durable
	// Passing content means nothing after a crash of the machine, and may be torn then.
	Passing
)

// Write replaces the file at path with data. The temporary file lies beside it.
func Write(path string, data []byte, perm os.FileMode, d Durability) error {
	p, err := Prepare(path, data, perm, d)
	if err != nil {
		return err
	}
	return p.Commit()
}

// Pending is a file that is to take another's place.
type Pending struct {
	temporary, path string
	durability      Durability
}

// Prepare writes the temporary file of Write, which Commit or Discard take away.
func Prepare(path string, data []byte, perm os.FileMode, d Durability) (_ *Pending, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, err
	}
	p := &Pending{f.Name(), path, d}
	defer func() {
		if err != nil {
			_ = f.Close()
			p.Discard()
		}
	}()
	name := filepath.Base(path)
	fault.Point("file " + name + ": begun")
	if _, err = f.Write(data); err != nil {
		return nil, err
	}
	if err = f.Chmod(perm); err != nil {
		return nil, err
	}
	if d == Durable {
		if err = f.Sync(); err != nil {
			return nil, err
		}
	}
	if err = f.Close(); err != nil {
		return nil, err
	}
	fault.Point("file " + name + ": written")
	return p, nil
}

// Commit puts the file in its place. One that cannot be is discarded.
func (p *Pending) Commit() error {
	var err error
	if p.durability == Passing {
		err = exchange(p.temporary, p.path)
	} else {
		err = os.Rename(p.temporary, p.path)
	}
	if err != nil {
		p.Discard()
		return err
	}
	fault.Point("file " + filepath.Base(p.path) + ": in place")
	if p.durability == Durable {
		return syncDir(filepath.Dir(p.path))
	}
	return nil
}

// Discard takes the temporary file away.
func (p *Pending) Discard() { _ = os.Remove(p.temporary) }

// exchange puts a file in the place of another. ext4 writes a file that replaces another to the disk at once, as the
// price for those who forget to sync, and whoever removes it meanwhile waits for the disk; of two files that change places
// it writes neither. Source: rename(2), RENAME_EXCHANGE; ext4(5), auto_da_alloc.
func exchange(from, to string) error {
	const here = unix.AT_FDCWD
	if unix.Renameat2(here, from, here, to, unix.RENAME_EXCHANGE) != nil {
		return os.Rename(from, to) // there is none yet, or the file system cannot
	}
	if unix.Unlink(from) != nil { // it was no file: rename says so in its own words
		_ = unix.Renameat2(here, from, here, to, unix.RENAME_EXCHANGE)
		return os.Rename(from, to)
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
