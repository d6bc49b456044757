package logs

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// How often files are opened again, a millisecond apart, because of a rotation, which takes a few
// renames: when some have moved meanwhile; when one is missing, which may be for good; when none is there.
const (
	movedTries   = 200
	missingTries = 20
	noneTries    = 3
)

// openFiles opens the files of a log as they belong together, the oldest first. None is no error.
func openFiles(o *Options) ([]*file, error) {
	for try := 0; ; try++ {
		files, moved, missing, err := openOnce(o)
		tries := 0
		switch {
		case err != nil:
			return nil, err
		case moved:
			tries = movedTries
		case len(files) == 0:
			tries = noneTries
		case missing:
			tries = missingTries
		}
		switch {
		case try < tries:
			closeAll(files)
			time.Sleep(time.Millisecond)
		case moved:
			closeAll(files)
			return nil, errdefs.New(errdefs.ErrUnavailable, "log file", o.Path, "it is rotated faster than it can be opened")
		default:
			return files, unpackAll(files)
		}
	}
}

// openOnce opens what is there. The writer renames the oldest file first and we open the newest first: a
// file that moves meanwhile is met twice or leaves a gap, and if all moved, Path is another one at the end.
func openOnce(o *Options) (files []*file, moved, missing bool, err error) {
	gap := false
	for i := range max(o.Files, 1) {
		f, err := open(older(o.Path, i), i > 0)
		if errors.Is(err, fs.ErrNotExist) {
			gap = true
			continue
		}
		if err != nil {
			closeAll(files)
			return nil, false, false, err
		}
		missing = missing || gap
		moved = moved || slices.ContainsFunc(files, func(other *file) bool { return sameFile(f, other) })
		files = append(files, f)
	}
	if len(files) > 0 {
		now, err := os.Stat(o.Path)
		newest, ferr := files[0].Stat()
		missing = missing || err != nil
		moved = moved || err == nil && ferr == nil && !os.SameFile(now, newest)
	}
	slices.Reverse(files)
	return files, moved, missing, nil
}

// older is the name of the file that is n rotations old.
func older(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

func sameFile(a, b *file) bool { return a.id == b.id }

func closeAll(files []*file) {
	for _, f := range files {
		_ = f.Close()
	}
}
