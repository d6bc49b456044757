package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer"
)

// notifier stands between a service manager and a container's program: what the program sends to the
// socket that it sees is checked and handed to the socket that we were given in NOTIFY_SOCKET. The pid it
// tells would be one of another namespace, so MAINPID is ours to say. Source: sd_notify(3).
type notifier struct {
	// host is the service manager's socket; "" for none: nothing is done then.
	host string
	conn *net.UnixConn
}

// listen makes the container's socket. path is "" for a container that was made without one.
func (n *notifier) listen(path string) error {
	if path == "" || n.host == "" {
		n.host = ""
		return nil
	}
	conn, err := listenDatagrams(path)
	if err != nil {
		return fmt.Errorf("notify socket: %w", err)
	}
	n.conn = conn
	return nil
}

// listenDatagrams binds below the directory's descriptor: an address holds 108 bytes at most. Everybody
// may write: the program need not be root.
func listenDatagrams(path string) (*net.UnixConn, error) {
	at := strings.LastIndexByte(path, '/')
	dir, err := os.OpenFile(path[:at], unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	name := fmt.Sprintf("/proc/self/fd/%d%s", dir.Fd(), path[at:])
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o777); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// maxNotify bounds a message, in bytes; sd_notify's are lines of a few words.
const maxNotify = 4096

// untilReady waits until the program has said READY, hands that on with the container's pid, and
// returns. It returns as well when the container has ended.
func (n *notifier) untilReady(c *libcontainer.Container) error {
	if n.host == "" {
		return nil
	}
	defer func() { _ = n.conn.Close() }()
	buf := make([]byte, maxNotify)
	for {
		const look = 100 * time.Millisecond
		_ = n.conn.SetReadDeadline(time.Now().Add(look))
		got, err := n.conn.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if c.Status() == libcontainer.Stopped {
				return nil
			}
		case err != nil:
			return fmt.Errorf("notify socket: %w", err)
		default:
			for _, line := range bytes.Split(buf[:got], []byte("\n")) {
				if bytes.HasPrefix(line, []byte("READY=")) {
					return n.tell(fmt.Sprintf("%s\nMAINPID=%d\n", line, c.State().PID))
				}
			}
		}
	}
}

// forward hands all messages on until the notifier's connection is closed, at the latest by the end of
// this process.
func (n *notifier) forward(c *libcontainer.Container) {
	if n.host == "" {
		return
	}
	buf := make([]byte, maxNotify)
	for {
		got, err := n.conn.Read(buf)
		if err != nil {
			return
		}
		var out []string
		for _, line := range strings.Split(string(buf[:got]), "\n") {
			if line == "" || strings.HasPrefix(line, "MAINPID=") || strings.HasPrefix(line, "BARRIER=") {
				continue // the one is ours to say, the other came with a descriptor
			}
			out = append(out, line)
			if strings.HasPrefix(line, "READY=") {
				out = append(out, fmt.Sprintf("MAINPID=%d", c.State().PID))
			}
		}
		if len(out) > 0 {
			_ = n.tell(strings.Join(out, "\n"))
		}
	}
}

// tell sends to the service manager and waits until it has read that: it learns about a pid from the
// sender, which must not be gone by then. Source: sd_notify_barrier(3).
func (n *notifier) tell(text string) error {
	addr := &net.UnixAddr{Name: n.host, Net: "unixgram"} // "@" is an abstract name for both
	conn, err := net.DialUnix("unixgram", nil, addr)
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(text)); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return n.barrier(conn)
}

// barrierPatience is sd_notify's own habit; a manager that does not know barriers closes the
// descriptor with the message.
const barrierPatience = 30 * time.Second

func (n *notifier) barrier(conn *net.UnixConn) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	raw, err := conn.SyscallConn()
	if err != nil {
		return errors.Join(err, w.Close())
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool { // package net sends no rights on connected datagram sockets
		sent = unix.Sendmsg(int(fd), []byte("BARRIER=1"), unix.UnixRights(int(w.Fd())), nil, 0)
		return sent != unix.EAGAIN
	})
	if err = errors.Join(err, sent, w.Close()); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), barrierPatience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err = r.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("NOTIFY_SOCKET: %s did not answer within %s", n.host, barrierPatience)
	}
	return nil // its end was closed
}
