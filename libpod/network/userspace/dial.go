package userspace

import (
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// dialTimeout is how long the container's program may take to accept: it is on this machine.
const dialTimeout = 10 * time.Second

// target is the address inside that stands for the container: for IPv6, which a container need not have, its loopback.
func (h *helper) target(ip6 bool) netip.Addr {
	if ip6 {
		return netip.IPv6Loopback()
	}
	return h.order.Addresses.Container.Addr()
}

// source is the address from which the container sees a client: the client's own. The host's loopback would be the
// container's own in there, and appears as the gateway, as with slirp4netns.
func (h *helper) source(client netip.AddrPort) netip.AddrPort {
	addr := client.Addr().Unmap()
	if addr.IsLoopback() && addr.Is4() {
		addr = h.order.Addresses.Gateway
	}
	return netip.AddrPortFrom(addr, client.Port())
}

// dial connects to a port of the container in the client's name. A program that listens only on IPv4 gets clients of
// IPv6 too, from the container's own address, and so do clients whose address cannot be lent.
func (h *helper) dial(kind int, client netip.AddrPort, port uint16) (fd int, err error) {
	from := h.source(client)
	own := netip.AddrPort{}
	lend := !from.Addr().IsLoopback() && !from.Addr().IsLinkLocalUnicast() && from.IsValid()
	if lend {
		if fd, err = h.connect(kind, from, netip.AddrPortFrom(h.target(from.Addr().Is6()), port)); err == nil {
			return fd, nil
		}
	}
	if !lend || errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EADDRNOTAVAIL) {
		// The same client with the same port is still being said good-bye to, say.
		if fd, err = h.connect(kind, own, netip.AddrPortFrom(h.target(from.Addr().Is6()), port)); err == nil {
			return fd, nil
		}
	}
	if from.Addr().Is4() {
		return -1, err
	}
	return h.connect(kind, own, netip.AddrPortFrom(h.target(false), port))
}

// connect makes a connected socket in the namespace; from may be the zero value.
func (h *helper) connect(kind int, from, to netip.AddrPort) (int, error) {
	family, level, transparent := unix.AF_INET, unix.SOL_IP, unix.IP_TRANSPARENT
	if to.Addr().Is6() {
		family, level, transparent = unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	fd, err := h.ns.socket(family, kind)
	if err != nil {
		return -1, err
	}
	if from.IsValid() && kind == unix.SOCK_DGRAM && unix.Bind(fd, sockaddr(netip.AddrPortFrom(from.Addr(), 0))) == nil {
		// The container has that address too, as pasta's may, and would answer from it.
		_ = unix.Close(fd)
		return -1, unix.EADDRINUSE
	}
	if from.IsValid() {
		err = unix.SetsockoptInt(fd, level, transparent, 1)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		}
		if err == nil {
			err = unix.Bind(fd, sockaddr(from))
		}
	}
	if err == nil {
		if err = unix.Connect(fd, sockaddr(to)); errors.Is(err, unix.EINPROGRESS) {
			err = connected(fd)
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// connected waits for the end of a connect.
func connected(fd int) error {
	for deadline := time.Now().Add(dialTimeout); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(time.Until(deadline).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		}
		errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			err = unix.Errno(errno)
		}
		return err
	}
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
