package server

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

// lockRunDir takes the lock that says that this monitor lives, and forgets what an earlier start
// left. The descriptor is the lock's: nothing may inherit it.
func lockRunDir(dir string) (int, error) {
	fd, err := unix.Open(filepath.Join(dir, monitor.LockFile),
		unix.O_RDONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", monitor.LockFile, err)
	}
	// Whoever asks whether we live holds a shared lock for a moment.
	for try := 0; ; try++ {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if try == 1000 || err != unix.EWOULDBLOCK && err != unix.EINTR {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("another monitor holds %s: %w", monitor.LockFile, err)
		}
		time.Sleep(time.Millisecond)
	}
	for _, name := range []string{monitor.LiveFile, monitor.ExitFile, monitor.SocketFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
			_ = unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

// listen makes attach.sock, which only our user can reach.
func listen(dir string) (int, error) {
	dirFD, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(dirFD) }()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	old := unix.Umask(0o177)
	err = unix.Bind(fd, monitor.SocketAddress(dirFD, monitor.SocketFile))
	unix.Umask(old)
	if err == nil {
		err = unix.Listen(fd, 128)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("%s: %w", monitor.SocketFile, err)
	}
	return fd, nil
}

// maxClients bounds the connections, and with them the monitor's memory and descriptors.
const maxClients = 256

// accept takes new clients: our own user, and root.
func (s *server) accept() {
	fd, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	switch err {
	case nil:
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
		// It stays readable: come back later instead of spinning.
		s.loop.watch(s.listener, 0)
		s.after(acceptRetry, func() {
			if s.listener >= 0 {
				s.loop.watch(s.listener, unix.EPOLLIN)
			}
		})
		return
	default:
		return
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || cred.Uid != 0 && int(cred.Uid) != os.Geteuid() || len(s.clients) >= maxClients {
		_ = unix.Close(fd)
		return
	}
	s.addClient(fd)
}

func (s *server) addClient(fd int) *client {
	c := &client{m: s, fd: fd}
	if err := s.loop.add(fd, unix.EPOLLIN, c.onEvent); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	s.clients[fd] = c
	return c
}

func (s *server) closeListener() {
	if s.listener < 0 {
		return
	}
	s.loop.remove(s.listener)
	_ = unix.Close(s.listener)
	s.listener = -1
	_ = os.Remove(filepath.Join(s.cfg.RunDir, monitor.SocketFile))
}
