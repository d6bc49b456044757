package libcontainer

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The barrier between create and start is a listening SOCK_SEQPACKET socket in the state directory,
// whose only descriptor is the init's: see package launch. Its name is there as long as the
// container is created and not started. Names are reached through the directory's descriptor
// because an address holds 108 bytes at most.

func (d *stateDir) address(name string) *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name)}
}

// listenStart makes the socket. The caller closes it; closed by all, it refuses connections.
func (d *stateDir) listenStart() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), startSocket)
	err = unix.Fchmod(fd, 0o600) // before bind, which gives the name this mode
	if err == nil {
		err = unix.Bind(fd, d.address(startSocket))
	}
	if err == nil {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start socket in %s: %w", d.path, err), f.Close())
	}
	return f, nil
}

// dialStart connects to a waiting init. ECONNREFUSED and ENOENT mean that there is none.
func (d *stateDir) dialStart() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, d.address(startSocket)); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// waitsForStart says whether the barrier's name is there.
func (d *stateDir) waitsForStart() bool {
	var st unix.Stat_t
	return unix.Fstatat(int(d.Fd()), startSocket, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// passed takes the barrier's name away.
func (d *stateDir) passed() error {
	err := unix.Unlinkat(int(d.Fd()), startSocket, 0)
	if err == unix.ENOENT {
		return nil
	}
	return err
}
