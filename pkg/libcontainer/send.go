package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/atomicfile"
)

// sendFile sends a descriptor, in one message with a name that the receiver need not trust, to the
// stream socket at a path. The file stays the caller's.
func sendFile(path string, file *os.File, name string) error {
	fail := func(err error) error {
		return fmt.Errorf("send %s to %s: %w", name, path, err)
	}
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fail(errors.Unwrap(err))
	}
	defer func() { _ = dir.Close() }()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = unix.Close(fd) }()
	// By the directory's descriptor: an address holds 108 bytes at most.
	addr := &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))}
	if err := unix.Connect(fd, addr); err != nil {
		return fail(err)
	}
	if err := unix.Sendmsg(fd, []byte(name), unix.UnixRights(int(file.Fd())), nil, 0); err != nil {
		return fail(err)
	}
	return nil
}

// writePIDFile writes digits and nothing else, as a whole. "" writes nothing.
func writePIDFile(path string, pid int) error {
	if path == "" {
		return nil
	}
	if err := atomicfile.Write(path, []byte(strconv.Itoa(pid)), 0o644, atomicfile.Volatile); err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	return nil
}
