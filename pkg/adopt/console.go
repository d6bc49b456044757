package adopt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// consoleSocket is the socket's name in its directory.
const consoleSocket = "console.sock"

// Console is a listening socket to which a runtime sends the master of a pseudo-terminal:
// --console-socket. One message with one descriptor comes; its text is not trusted.
type Console struct {
	dir, fd int
	file    string
}

// ListenConsole makes the socket in a directory that only this user may enter.
func ListenConsole(dir string) (*Console, error) {
	c := &Console{dir: -1, fd: -1, file: filepath.Join(dir, consoleSocket)}
	var err error
	if c.dir, err = unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := os.Remove(c.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, c.Close())
	}
	c.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		err = unix.Bind(c.fd, &unix.SockaddrUnix{Name: c.Path()})
	}
	if err == nil {
		err = unix.Listen(c.fd, 1)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("console socket: %w", err), c.Close())
	}
	return c, nil
}

// Path is what the runtime is told. It goes by a descriptor of this process, because an address
// holds 107 bytes and run directories may be longer. It is good until Close.
func (c *Console) Path() string {
	return fmt.Sprintf("/proc/%d/fd/%d/%s", os.Getpid(), c.dir, consoleSocket)
}

// Receive takes the terminal out of the message that a runtime has sent. It never waits: a runtime
// that has returned has sent it.
func (c *Console) Receive() (*os.File, error) {
	conn, _, err := unix.Accept4(c.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("the runtime sent no terminal: %w", err)
	}
	defer func() { _ = unix.Close(conn) }()
	buf, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(conn, buf, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("the runtime sent no terminal: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("the runtime sent something else than a terminal")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("the runtime sent something else than a terminal")
	}
	// Not every runtime makes it nonblocking, and Go's poller wants that before NewFile.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		_ = unix.Close(fds[0])
		return nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "console")
	if _, err := unix.IoctlGetTermios(fds[0], unix.TCGETS); err != nil {
		return nil, errors.Join(fmt.Errorf("the runtime sent something else than a terminal: %w", err), f.Close())
	}
	return f, nil
}

// Close gives the socket up and removes its file.
func (c *Console) Close() error {
	for _, fd := range []int{c.fd, c.dir} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	c.fd, c.dir = -1, -1
	if err := os.Remove(c.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
