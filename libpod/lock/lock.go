// Package lock gives each object a lock that the kernel frees when its holder dies.
//
// A lock is a file and flock(2) on it. There is no table to fill up and nothing to repair:
// a process that is killed holds nothing any more. Lock order in libpod: containers in the
// order of their ids, then volumes by name, then the state file's own transaction. No lock is
// held while a process is waited for that may take its time; clean-up waits, for a bounded
// time, only for processes it has killed.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/errdefs"
)

// Lock is a held lock. The zero value is not usable.
type Lock struct{ file *os.File }

// ErrGone says that the object was removed while its lock was waited for.
var ErrGone = &errdefs.Error{Class: errdefs.ErrNotFound, Cause: errors.New("removed meanwhile")}

// Acquire takes the exclusive lock of the file at path, waiting until ctx ends. With create
// the file is made (0600) when missing; without it a missing file is ErrGone.
// Acquiring again in the same process blocks: a Lock belongs to one call.
func Acquire(ctx context.Context, path string, create bool) (*Lock, error) {
	wait := 500 * time.Microsecond
	for {
		l, err := Try(path, create)
		if err != nil || l != nil {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, &errdefs.Error{
				Kind: "lock", Name: path, Class: errdefs.ErrUnavailable,
				Cause: fmt.Errorf("another command works on the same object: %w", context.Cause(ctx)),
				Hint:  "wait for it, or see who holds it with \"fuser " + path + "\"",
			}
		case <-time.After(wait):
		}
		if wait < 20*time.Millisecond {
			wait *= 2
		}
	}
}

// Try is Acquire without waiting: a nil Lock says that somebody else holds it.
func Try(path string, create bool) (*Lock, error) { return try(path, create, unix.LOCK_EX) }

// TryShared is Try for a lock that others may hold at the same time in this way, and nobody in the other.
func TryShared(path string, create bool) (*Lock, error) { return try(path, create, unix.LOCK_SH) }

// try takes the lock in one of the ways of flock(2).
func try(path string, create bool, how int) (*Lock, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	for {
		f, err := os.OpenFile(path, flags, 0o600)
		if errors.Is(err, os.ErrNotExist) && !create {
			return nil, ErrGone
		}
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
			_ = f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, nil
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		same, err := sameFile(f, path)
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		if same {
			fault.Point("lock: taken")
			return &Lock{file: f}, nil
		}
		// The holder before us removed the object and the file with it.
		_ = f.Close()
	}
}

// Make makes the file at path (0600) with its lock taken: nobody sees it free before its maker has had it. The
// error is os.ErrExist when there is one, os.ErrNotExist without its directory, and errors.ErrUnsupported where the
// filesystem cannot make a file without a name. Source: open(2), O_TMPFILE.
func Make(path string) (*Lock, error) {
	fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "make", Path: path, Err: err}
	}
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, &os.PathError{Op: "make", Path: path, Err: err}
	}
	fault.Point("lock: taken")
	return &Lock{file: os.NewFile(uintptr(fd), path)}, nil
}

func sameFile(f *os.File, path string) (bool, error) {
	held, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(held, named), nil
}

// Release frees the lock. Releasing twice is harmless.
func (l *Lock) Release() {
	if l != nil && l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}
