package criu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// The bounds of a directory of images. A dump of 1,000 processes has some 10,000 files.
const (
	maxImages = 1 << 16
	// maxParents is how many dumps may lie before one, each with the pages that changed since.
	maxParents = 64
)

// parentLink is the link that criu leaves to the directory of the dump before.
const parentLink = "parent"

// MakeImages opens the directory that a dump goes to, and makes it if it is not there. The path
// itself is the caller's word; the caller closes the directory.
func MakeImages(path string) (*os.File, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, &errdefs.Error{Kind: "image directory", Name: path, Class: errdefs.ErrInvalid, Cause: errors.Unwrap(err), Hint: "make the directory above it first"}
	}
	return openImages(path)
}

// OpenImages opens the directory that a restore reads, after a look at all of it: images may be a
// stranger's. Only regular files are let through, and the links to earlier dumps in a
// directory beside it, which are looked at in the same way. ErrNotFound and ErrCorrupt name the
// directory. The caller closes it.
func OpenImages(path string) (*os.File, error) {
	dir, err := openImages(path)
	if err != nil {
		return nil, err
	}
	if err := checkImages(path, maxParents); err != nil {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

func openImages(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, unix.O_DIRECTORY|os.O_RDONLY, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errdefs.New(errdefs.ErrNotFound, "image directory", path, "no such directory").WithHint("give the directory of a checkpoint with --image-path")
	case err != nil:
		return nil, &errdefs.Error{Kind: "image directory", Name: path, Class: errdefs.ErrInvalid, Cause: errors.Unwrap(err)}
	}
	return dir, nil
}

func checkImages(path string, parents int) error {
	bad := func(format string, args ...any) error {
		return errdefs.New(errdefs.ErrCorrupt, "image directory", path, format, args...).WithHint("make the checkpoint again, and trust no other")
	}
	dir, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|os.O_RDONLY, 0)
	if err != nil {
		return bad("%w", errors.Unwrap(err))
	}
	defer func() { _ = dir.Close() }()
	entries, err := dir.ReadDir(maxImages + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return bad("%w", err)
	}
	if len(entries) > maxImages {
		return bad("it has more than %d files", maxImages)
	}
	if len(entries) == 0 {
		return bad("it is empty")
	}
	for _, e := range entries {
		switch {
		case e.Type().IsRegular():
		case e.Name() == parentLink && e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(filepath.Join(path, parentLink))
			if err != nil {
				return bad("%w", err)
			}
			if err := checkParent(target); err != nil {
				return bad("%w", err)
			}
			if parents == 0 {
				return bad("more than %d dumps lie before it", maxParents)
			}
			if err := checkImages(filepath.Join(path, target), parents-1); err != nil {
				return err
			}
		default:
			return bad("%q is not a regular file", e.Name())
		}
	}
	return nil
}

// checkParent lets through the name of a directory beside the images: "../NAME".
func checkParent(target string) error {
	name, ok := strings.CutPrefix(target, "../")
	if !ok || name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return fmt.Errorf("its link %q leads to %q, not to a directory beside it", parentLink, target)
	}
	return nil
}

// ValidateParent says whether a --parent-path is one that OpenImages accepts later.
func ValidateParent(path string) error {
	if err := checkParent(strings.TrimSuffix(path, "/")); path != "" && err != nil {
		return errdefs.Invalid("--parent-path", path, "want the name of a directory beside the images, like ../before")
	}
	return nil
}

// descriptorsFile tells what the first three descriptors of a dumped root were. Its name and form, a JSON
// array of three names, are runc's.
const descriptorsFile = "descriptors.json"

// maxDescriptors bounds the file in bytes: three paths.
const maxDescriptors = 64 << 10

// WriteDescriptors keeps the names of descriptors 0 to 2 with the images.
func WriteDescriptors(images *os.File, names [3]string) error {
	b, err := json.Marshal(names)
	if err != nil {
		return err
	}
	fd, err := unix.Openat(int(images.Fd()), descriptorsFile, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: filepath.Join(images.Name(), descriptorsFile), Err: err}
	}
	f := os.NewFile(uintptr(fd), descriptorsFile)
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// ReadDescriptors reads them. ErrCorrupt when they are missing or are something else.
func ReadDescriptors(images *os.File) ([3]string, error) {
	bad := func(err error) ([3]string, error) {
		return [3]string{}, errdefs.New(errdefs.ErrCorrupt, "image directory", images.Name(), "%s: %w", descriptorsFile, err)
	}
	fd, err := unix.Openat(int(images.Fd()), descriptorsFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return bad(err)
	}
	f := os.NewFile(uintptr(fd), descriptorsFile)
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxDescriptors+1))
	if err != nil {
		return bad(err)
	}
	names, err := parseDescriptors(b)
	if err != nil {
		return bad(err)
	}
	return names, nil
}

func parseDescriptors(b []byte) (names [3]string, err error) {
	if len(b) > maxDescriptors {
		return names, fmt.Errorf("it is longer than %d bytes", maxDescriptors)
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return names, err
	}
	if len(list) != len(names) {
		return names, fmt.Errorf("it has %d names and not %d", len(list), len(names))
	}
	return [3]string(list), nil
}
