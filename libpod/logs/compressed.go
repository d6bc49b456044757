package logs

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Compressed ends the name of a log file that was compressed when it was rotated: gzip, whose comment says which file it
// was, so that a reader that has that one open knows it again. Source: RFC 1952.
const Compressed = ".gz"

// file is an opened file of a log.
type file struct {
	*os.File
	// id is the file's, or of the one that it was before it was compressed.
	id identity
	// packed says that it is compressed still.
	packed bool
}

// identity is a file's, beyond its end: an inode's number is soon another file's, which is born later (in
// nanoseconds; 0 where the file system does not tell). Source: statx(2).
type identity struct {
	major, minor uint32
	inode        uint64
	born         int64
}

const identityFormat = "device %d:%d inode %d born %d"

func identityOf(f *os.File) (identity, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return identity{}, err
	}
	id := identity{major: st.Dev_major, minor: st.Dev_minor, inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return id, nil
}

// open opens a file of a log; one that may be compressed is tried under both names, and is not read yet.
func open(path string, compressed bool) (*file, error) {
	raw, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && compressed {
		return openPacked(path + Compressed)
	}
	if err != nil {
		return nil, err
	}
	id, err := identityOf(raw)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return &file{File: raw, id: id}, nil
}

func openPacked(path string) (*file, error) {
	raw, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &file{File: raw, packed: true}
	z, err := gzip.NewReader(raw)
	if err == nil {
		_, err = fmt.Sscanf(z.Comment, identityFormat, &f.id.major, &f.id.minor, &f.id.inode, &f.id.born)
	}
	if err != nil {
		return nil, errors.Join(errdefs.New(errdefs.ErrCorrupt, "log file", path, "%w", err).WithHint("remove the file"), raw.Close())
	}
	return f, nil
}

// unpackAll puts what the compressed files hold into files without a name, since logs are read backwards too.
func unpackAll(files []*file) error {
	for _, f := range files {
		if !f.packed {
			continue
		}
		if err := f.unpack(); err != nil {
			closeAll(files)
			return errdefs.New(errdefs.ErrCorrupt, "log file", f.Name(), "%w", err)
		}
	}
	return nil
}

func (f *file) unpack() error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	z, err := gzip.NewReader(f.File)
	if err != nil {
		return err
	}
	to, err := os.CreateTemp("", "manager-log-*")
	if err != nil {
		return err
	}
	_ = os.Remove(to.Name())
	if _, err = io.Copy(to, z); err == nil {
		_, err = to.Seek(0, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, to.Close())
	}
	_ = f.Close()
	f.File, f.packed = to, false
	return nil
}

// Compress compresses a rotated file of a log, and takes it away, unless it has been rotated on meanwhile. One that
// is gone is no error.
func Compress(path string) (err error) {
	from, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	id, err := identityOf(from)
	if err != nil {
		return err
	}
	partial := path + Compressed + ".partial" // there is one compression at a time
	to, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(partial) }() // it has another name if all went well
	z := gzip.NewWriter(to)
	z.Comment = fmt.Sprintf(identityFormat, id.major, id.minor, id.inode, id.born)
	_, err = io.Copy(z, from)
	if err = errors.Join(err, z.Close(), to.Sync(), to.Close()); err != nil {
		return err
	}
	now, err := open(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = now.Close() }()
	if now.id != id {
		return nil
	}
	if err := os.Rename(partial, path+Compressed); err != nil {
		return err
	}
	return os.Remove(path)
}
