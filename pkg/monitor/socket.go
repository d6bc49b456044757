package monitor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SocketAddress names a socket in a directory by the directory's descriptor, because
// sun_path holds 108 bytes and run directories may be longer. It is good as long as dirFD is open.
func SocketAddress(dirFD int, name string) *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dirFD, name)}
}

// dial connects to the attach socket of a run directory. An unix.ENOENT or unix.ECONNREFUSED in
// the error says that no monitor listens.
func dial(runDir string) (*conn, error) {
	dir, err := unix.Open(runDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("run directory %s: %w", runDir, err)
	}
	defer func() { _ = unix.Close(dir) }()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Connect(fd, SocketAddress(dir, SocketFile))
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connect to the monitor: %w", err)
	}
	return newConn(fd)
}
