package userspace

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"

	"github.com/containers/gvisor-tap-vsock/pkg/services/forwarder"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// The addresses of IPv6, in the network that slirp4netns has. They are unique local ones, so that programs prefer IPv4 where a
// name has both. Source: slirp4netns(1); RFC 4193; RFC 6724, 2.1.
var (
	container6 = netip.MustParsePrefix("fd00::100/64")
	gateway6   = netip.MustParseAddr("fd00::2")
)

// stack6 carries packets of IPv6, which gvisor-tap-vsock's own network leaves out: its forwarders, on a stack beside that one.
type stack6 struct{ link *channel.Endpoint }

// queued6 is how many packets may wait for the interface.
const queued6 = 1024

// newStack6 makes the stack; frames to the container go to tap.
func newStack6(mac string, tap io.Writer) (*stack6, error) {
	addr, err := tcpip.ParseMACAddress(mac)
	if err != nil {
		return nil, err
	}
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	link := channel.New(queued6, mtu+header.EthernetMinimumSize, addr)
	const nic = 1
	if err := s.CreateNIC(nic, ethernet.New(link)); err != nil {
		return nil, errors.New(err.String())
	}
	own := tcpip.ProtocolAddress{Protocol: ipv6.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom16(gateway6.As16()).WithPrefix()}
	if err := s.AddProtocolAddress(nic, own, stack.AddressProperties{}); err != nil {
		return nil, errors.New(err.String())
	}
	s.SetSpoofing(nic, true)
	s.SetPromiscuousMode(nic, true)
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv6EmptySubnet, NIC: nic}})
	var none sync.Mutex
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, forwarder.TCP(s, nil, &none, true).HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, forwarder.UDP(s, nil, &none, true).HandlePacket)
	s6 := &stack6{link}
	go s6.write(tap)
	return s6, nil
}

// write carries the stack's frames to the container for as long as the process lives.
func (s *stack6) write(tap io.Writer) {
	for {
		p := s.link.ReadContext(context.Background())
		if p == nil {
			return
		}
		view := p.ToView()
		_, _ = tap.Write(view.AsSlice()) // a container whose interface is down loses them
		view.Release()
		p.DecRef()
	}
}

// read gives the stack a frame of the container's.
func (s *stack6) read(frame []byte) {
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(append([]byte(nil), frame...))})
	s.link.InjectInbound(ipv6.ProtocolNumber, p)
	p.DecRef()
}
