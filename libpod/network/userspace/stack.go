package userspace

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"github.com/containers/gvisor-tap-vsock/pkg/virtualnetwork"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/network"
)

// mtu is the interface's: the most that fits, since no packet leaves the machine as it is.
const mtu = 65520

// gatewayMAC is locally administered, and the same each time; rootlesskit's driver has the same.
const gatewayMAC = "5a:94:ef:e4:0c:dd"

// startStack makes the container's interface and carries its packets. IPv6 is there when the host has a way out by it and the
// container's namespace has it switched on.
func (h *helper) startStack() error {
	a := h.order.Addresses
	tap, err := h.ns.makeTap(a.Container, a.Gateway, mtu)
	if err != nil {
		return err
	}
	vn, err := virtualnetwork.New(&types.Configuration{
		MTU: mtu, Subnet: a.Container.Masked().String(), GatewayIP: a.Gateway.String(),
		GatewayMacAddress: gatewayMAC, DHCPStaticLeases: map[string]string{}, Ec2MetadataAccess: true,
	})
	if err != nil {
		return err
	}
	f := frames{File: tap, gateway: a.Gateway, echoes: &echoes{tap: tap, open: map[echoKey]*os.File{}}}
	if network.WayOut("udp6") && h.ns.addAddress(container6, gateway6) == nil {
		if f.six, err = newStack6(gatewayMAC, tap); err != nil {
			return err
		}
	}
	go func() { _ = vn.AcceptVfkit(context.Background(), f) }()
	return nil
}

// frames is the tap device as the stack wants it: each read and each write is a frame.
type frames struct {
	*os.File
	gateway netip.Addr
	echoes  *echoes
	// six has packets of IPv6; nil loses them.
	six *stack6
}

// Read returns the next frame that is for the stack; what others carry goes to them.
func (f frames) Read(b []byte) (int, error) {
	for {
		n, err := f.File.Read(b)
		if err != nil || f.pass(b[:n]) {
			return n, err
		}
	}
}

// pass says that a frame is for the stack of IPv4.
func (f frames) pass(frame []byte) bool {
	p, ok := parsePacket(frame)
	if !ok {
		return true // of ARP, say
	}
	switch {
	case p.to.Is6() && f.six == nil:
	case p.to.Is6() && f.neighbour(p):
		f.six.read(frame)
	case !outside(p.to):
	case p.to == f.gateway:
		return true
	case p.isEcho():
		f.echoes.ask(p)
	case p.protocol == unix.IPPROTO_ICMP: // the stack answers a ping in fragments as its own
	case p.to.Is6():
		f.six.read(frame)
	default:
		return true
	}
	return false
}

// neighbour says that a packet concerns the container and its gateway alone: how they find each other, and pings between them.
func (f frames) neighbour(p packet) bool {
	return p.protocol == unix.IPPROTO_ICMPV6 && (p.to.IsLinkLocalUnicast() || p.to.IsLinkLocalMulticast() || p.to == gateway6)
}

// outside refuses "this network" and loopback addresses, in whatever form: the stack connects to where a packet goes, and these
// would be the host's own. Only a container that may write raw packets can send them. Of IPv6 it also refuses what needs to name an
// interface. Source: RFC 1122, 3.2.1.3; RFC 4291, 2.4 and 2.5.5.
func outside(to netip.Addr) bool {
	if to.Is4() {
		first := to.As4()[0]
		return first != 0 && first != 127
	}
	return to.IsGlobalUnicast() && !to.Is4In6()
}

func (frames) LocalAddr() net.Addr  { return &net.UnixAddr{Name: tapName} }
func (frames) RemoteAddr() net.Addr { return &net.UnixAddr{Name: tapName} }
