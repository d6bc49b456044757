package monitor

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// conn is a client's end of a connection. Sends may come from several goroutines, receives from
// one. Both wait in Go's poller, so closing the file ends them.
type conn struct {
	file *os.File
	raw  syscall.RawConn
	mu   sync.Mutex
	out  []byte
}

// newConn takes over fd, a SOCK_SEQPACKET socket.
func newConn(fd int) (*conn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "monitor")
	raw, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &conn{file: f, raw: raw}, nil
}

func (c *conn) close() error { return c.file.Close() }

// send sends one packet, waiting while the monitor's queue is full.
func (c *conn) send(k Kind, payload []byte, fds ...int) error {
	if len(payload) > MaxPayload || len(fds) > MaxFilesPerPacket {
		return errTooLong
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.write(true, k, payload, fds)
}

// trySend is send for a short packet that must not wait, as it does behind standard input that the
// container does not read. The error is then unix.EAGAIN.
func (c *conn) trySend(k Kind, payload []byte) error {
	if !c.mu.TryLock() {
		return unix.EAGAIN
	}
	defer c.mu.Unlock()
	return c.write(false, k, payload, nil)
}

func (c *conn) write(wait bool, k Kind, payload []byte, fds []int) error {
	c.out = append(append(c.out[:0], byte(k)), payload...)
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	var err error
	werr := c.raw.Write(func(fd uintptr) bool {
		for {
			_, err = unix.SendmsgN(int(fd), c.out, oob, nil, unix.MSG_NOSIGNAL)
			if !errors.Is(err, unix.EINTR) {
				return !wait || !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	if werr != nil {
		return werr
	}
	return err
}

// recv reads one packet into buf, which must hold MaxPacket bytes. io.EOF is the peer's end.
func (c *conn) recv(buf []byte) (Kind, []byte, error) {
	n, flags, reset := 0, 0, false
	var err error
	rerr := c.raw.Read(func(fd uintptr) bool {
		for {
			n, _, flags, _, err = unix.Recvmsg(int(fd), buf, nil, unix.MSG_CMSG_CLOEXEC)
			switch {
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.ECONNRESET) && !reset:
				// It closed with something of ours unread. The kernel says so once, before what it had sent is read.
				reset = true
			default:
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	switch {
	case rerr != nil:
		return 0, nil, rerr
	case errors.Is(err, unix.ECONNRESET):
		return 0, nil, io.EOF
	case err != nil:
		return 0, nil, err
	case n == 0:
		return 0, nil, io.EOF
	case flags&unix.MSG_TRUNC != 0:
		return 0, nil, errTooLong
	}
	return Kind(buf[0]), buf[1:n], nil
}
