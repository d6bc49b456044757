package userspace

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/network"
	"github.com/manager-project/manager/pkg/spec"
)

// udpIdle is how long a client that is silent, as the container is to it, is remembered.
const udpIdle = 90 * time.Second

// maxDatagram is the most that fits into one, in bytes.
const maxDatagram = 65535

// udpPort forwards the datagrams of one port. rootlesskit's forwarder cannot lend the client's address to udp.
type udpPort struct {
	h    *helper
	port uint16
	conn *net.UDPConn

	mu    sync.Mutex
	flows map[flowKey]*net.UDPConn
}

// flowKey is who speaks with which address of the host.
type flowKey struct {
	client netip.AddrPort
	// from is the control message by which an answer leaves from that address.
	from string
}

// listenUDP forwards from one port of the host for as long as the process lives.
func (h *helper) listenUDP(p spec.Port) error {
	conn, err := net.ListenUDP(network.Network(p), net.UDPAddrFromAddrPort(netip.AddrPortFrom(hostAddr(p), p.HostPort)))
	if err != nil {
		return err
	}
	if err := tellAddress(conn); err != nil {
		return err
	}
	u := &udpPort{h: h, port: p.ContainerPort, conn: conn, flows: map[flowKey]*net.UDPConn{}}
	go u.forward()
	return nil
}

// hostAddr is the address to listen on; the zero value is all.
func hostAddr(p spec.Port) netip.Addr {
	addr, _ := netip.ParseAddr(p.HostIP)
	return addr
}

func (u *udpPort) forward() {
	buf, control := make([]byte, maxDatagram), make([]byte, 128)
	for {
		n, cn, _, client, err := u.conn.ReadMsgUDPAddrPort(buf, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // what an earlier answer has met
		}
		flow, err := u.flow(flowKey{client, answerFrom(control[:cn])})
		if err == nil {
			_ = flow.SetReadDeadline(time.Now().Add(udpIdle))
			_, _ = flow.Write(buf[:n]) // as lossy as the protocol
		}
	}
}

// flow is the socket inside that speaks for a client.
func (u *udpPort) flow(key flowKey) (*net.UDPConn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.flows[key]; f != nil {
		return f, nil
	}
	u.h.clients.add(key.client)
	f, err := u.h.dialUDP(key.client, u.port)
	if err != nil {
		u.h.clients.remove(key.client)
		return nil, err
	}
	u.flows[key] = f
	go u.replies(f, key)
	return f, nil
}

func (h *helper) dialUDP(client netip.AddrPort, port uint16) (*net.UDPConn, error) {
	fd, err := h.dial(unix.SOCK_DGRAM, client, port)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "udp")
	defer func() { _ = file.Close() }()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// replies carries back what the container answers, until neither side has said anything for a while.
func (u *udpPort) replies(f *net.UDPConn, key flowKey) {
	buf := make([]byte, maxDatagram)
	for {
		n, err := f.Read(buf)
		if errors.Is(err, unix.ECONNREFUSED) {
			continue // nobody listens in there yet
		}
		if err != nil {
			break
		}
		_ = f.SetReadDeadline(time.Now().Add(udpIdle))
		_, _, _ = u.conn.WriteMsgUDPAddrPort(buf[:n], []byte(key.from), key.client)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.flows, key)
	_ = f.Close()
	u.h.clients.remove(key.client)
}

// tellAddress lets every datagram come with the address that it was sent to. Source: ip(7), ipv6(7).
func tellAddress(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1); failed != nil {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1) // a socket of IPv4 alone
		}
	})
	return errors.Join(err, failed)
}

// answerFrom turns the control message of a datagram into that of an answer, "" without one. A host with several
// addresses would choose one for itself otherwise.
func answerFrom(control []byte) string {
	list, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return ""
	}
	for _, m := range list {
		switch {
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			info := &unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16])}
			if netip.AddrFrom16(info.Addr).IsLinkLocalUnicast() {
				info.Ifindex = binary.NativeEndian.Uint32(m.Data[16:])
			}
			return string(unix.PktInfo6(info))
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return string(unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: [4]byte(m.Data[4:8])}))
		}
	}
	return ""
}

// clients counts the flows of each client's address, whose replies are to come back to the helper.
type clients struct {
	h     *helper
	mu    sync.Mutex
	flows map[netip.Addr]int
}

func (c *clients) add(client netip.AddrPort) {
	addr := c.h.source(client).Addr()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flows[addr]++; c.flows[addr] == 1 {
		_ = c.h.ns.client(addr, c.h.target(addr.Is6()), true) // without it, the answer is lost as any datagram may be
	}
}

func (c *clients) remove(client netip.AddrPort) {
	addr := c.h.source(client).Addr()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flows[addr]--; c.flows[addr] == 0 {
		delete(c.flows, addr)
		_ = c.h.ns.client(addr, c.h.target(addr.Is6()), false)
	}
}
