package launch

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Park leaves a child that is Ready to somebody else: it waits at the listening SOCK_SEQPACKET
// socket for the one connection over which it is told to go on, so its parent may end. The
// caller may close the listener afterwards; the Child keeps only Signal, Wait and Close.
//
// The program is looked for first, so a missing one is the caller's *Failure and not the
// starter's. A child that failed or died is reaped.
func (c *Child) Park(listener *os.File) error {
	raw, err := c.sock.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendmsg(int(fd), append([]byte{MsgPark}, c.home...), unix.UnixRights(int(listener.Fd())), nil, 0)
		return sent != unix.EAGAIN
	})
	if errors.Join(err, sent) != nil {
		return c.gone("init", io.EOF)
	}
	msg, _, err := c.receive(noContext)
	switch {
	case err != nil:
		return c.gone("init", err)
	case msg[0] == MsgFailure, msg[0] == MsgStep:
		return c.failed(msg)
	case msg[0] != MsgParked:
		return c.gone("init", fmt.Errorf("unknown message %q", msg[0]))
	}
	err = c.sock.Close()
	c.sock = nil
	return err
}

// Adopt makes a Child of a parked one, over the descriptor of a connection to its listening
// socket. Exec and Signal are then as for the parent. Wait waits for the end but cannot tell how it
// was: its status belongs to the parent. Adopt owns both descriptors; Close releases them.
//
// notify is the request's, for the receiver of a seccomp listener, which comes with Exec.
func Adopt(connection, pid int, pidfd *os.File, notify *Notify) *Child {
	_ = unix.SetNonblock(connection, true) // before NewFile, which looks, so that deadlines work
	return &Child{pid: pid, pidfd: pidfd, notify: notify, sock: os.NewFile(uintptr(connection), "init socket"), foreign: true}
}

// errForeign is Wait's answer for a child of somebody else.
var errForeign = errors.New("ended; its status belongs to its parent")

// awaitEnd waits until the process of a pidfd has ended, reaped or not.
func awaitEnd(pidfd *os.File) error {
	p := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(p, -1)
		if err != unix.EINTR {
			return err
		}
	}
}
