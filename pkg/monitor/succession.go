package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A restart by the policy makes the monitor of the next start the successor of the one before. The command that starts the
// container again has a socket to that one as its standard input, on which each says one thing:
//
//	command   the successor's pid, before it lets the program go
//	monitor   an empty line, when it has given up the restart, and to a service manager its place as the main process
//
// So nobody else takes the restart over before there is a successor, and what the successor tells the service manager
// comes after it was made the main process.

// successionPatience is how long the command waits for the answer. A monitor that was stopped does not hold the start up.
const successionPatience = 10 * time.Second

// Succession is the monitor's end of the socket.
type Succession struct{ fd int }

// NewSuccession makes the socket; the second end is the command's standard input. The caller closes both.
func NewSuccession() (*Succession, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("succession: %w", err)
	}
	return &Succession{pair[0]}, os.NewFile(uintptr(pair[1]), "succession"), nil
}

// Successor waits for the successor's pid, or 0 when the command has ended, which it says again and again.
func (s *Succession) Successor() int {
	var buf [32]byte
	for {
		n, err := unix.Read(s.fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return 0
		}
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(buf[:n]))); err == nil && pid > 0 {
			return pid
		}
	}
}

// Answer lets the command go on.
func (s *Succession) Answer() { _ = unix.Send(s.fd, []byte{'\n'}, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT) }

// Close ends the succession.
func (s *Succession) Close() { _ = unix.Close(s.fd) }

// TellSuccessor tells the monitor of the start before, at the other end of the socket, who is its successor, and waits until it
// has heard that. One that was killed has nothing to give up; nor does it count when socket is none.
func TellSuccessor(socket *os.File, pid int) {
	fd := int(socket.Fd())
	if unix.Send(fd, itoa(pid), unix.MSG_NOSIGNAL) != nil {
		return
	}
	for end := time.Now().Add(successionPatience); ; {
		left := time.Until(end)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(max(0, left.Milliseconds())))
		if n > 0 || left <= 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func itoa(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }
