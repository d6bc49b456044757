package cgroups

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Control files are opened, read and written by plain system calls: package os has the Go runtime's poller watch
// them, since they can be polled, and each becomes ready at once, which wakes a thread.

// openFile opens a file for nobody to wait for. The caller closes it.
func openFile(file string, flags int) (*os.File, error) {
	fd, err := openFD(file, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), file), nil
}

func openFD(file string, flags int) (int, error) {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Open(file, flags|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: file, Err: err}
	}
	return fd, nil
}

func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// writeFile writes a control file, which must exist, with one call of write.
func writeFile(file, value string) error {
	fd, err := openFD(file, unix.O_WRONLY|unix.O_TRUNC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return writeFD(fd, file, value)
}

// writeFD writes to an open control file with one call of write.
func writeFD(fd int, file, value string) error {
	err := again(func() error {
		_, err := unix.Write(fd, []byte(value))
		return err
	})
	if err != nil {
		return &os.PathError{Op: "write", Path: file, Err: err}
	}
	return nil
}

// maxControlFile bounds what is read of one control file. The longest known, the process list of
// a cgroup with every pid the kernel can give (4 million), is far below it.
const maxControlFile = 64 << 20

// readControl reads a control file, whole. ErrCorrupt when it does not end.
func readControl(file string) (string, error) { return readBounded(file, maxControlFile) }

// readShort reads a short control file without its final newline; "" when it cannot be read.
func readShort(file string) string {
	s, err := readBounded(file, 4096)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(s, "\n")
}

func readBounded(file string, limit int) (string, error) {
	return readInto(file, limit, make([]byte, 0, 512))
}

// readInto is readBounded with room for the text, which is then not copied as it grows.
func readInto(file string, limit int, text []byte) (string, error) {
	fd, err := openFD(file, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	for {
		var n int
		err := again(func() (err error) {
			n, err = unix.Read(fd, text[len(text):cap(text)])
			return err
		})
		text = text[:len(text)+max(n, 0)]
		switch {
		case err != nil:
			return "", &os.PathError{Op: "read", Path: file, Err: err}
		case len(text) > limit:
			return "", errdefs.New(errdefs.ErrCorrupt, "file", file, "it is longer than %d bytes", limit)
		case n == 0:
			return string(text), nil
		case len(text) == cap(text):
			text = append(text, 0)[:len(text)]
		}
	}
}
