package userspace

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/rootless-containers/rootlesskit/v3/pkg/lowlevelmsgutil"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/msg"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/opaque"
	"golang.org/x/sys/unix"
)

var _ port.ChildDriver = (*child)(nil)

// child is the half of rootlesskit's port driver that connects to the container.
type child struct{ h *helper }

// RunChildDriver serves the parent until the process ends.
func (c *child) RunChildDriver(words map[string]string, _ <-chan struct{}, _ string) error {
	ready, err := os.OpenFile(words[opaque.ChildReadyPipePath], os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: words[opaque.SocketPath], Net: "unix"})
	if err := ready.Close(); err != nil { // the parent waits for that
		return err
	}
	if err != nil {
		return err
	}
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = conn.Close() }()
			if err := c.serve(conn); err != nil {
				_, _ = lowlevelmsgutil.MarshalToWriter(conn, &msg.Reply{Error: err.Error()})
			}
		}()
	}
}

// serve answers one request; the connected socket goes along with the answer.
func (c *child) serve(conn *net.UnixConn) error {
	var q msg.Request
	if _, err := lowlevelmsgutil.UnmarshalFromReader(conn, &q); err != nil {
		return err
	}
	switch q.Type {
	case msg.RequestTypeInit:
		_, err := lowlevelmsgutil.MarshalToWriter(conn, &msg.Reply{})
		return err
	case msg.RequestTypeConnect:
	default:
		return fmt.Errorf("unknown request %q", q.Type)
	}
	addr, err := netip.ParseAddr(q.SourceIP)
	if err != nil {
		return err
	}
	fd, err := c.h.dial(unix.SOCK_STREAM, netip.AddrPortFrom(addr, uint16(q.SourcePort)), uint16(q.Port))
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	_, _, err = conn.WriteMsgUnix([]byte("socket"), unix.UnixRights(fd), nil)
	return err
}
